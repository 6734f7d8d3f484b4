"""What a reader of an evaluation must know beside its figures, one sentence each."""

from __future__ import annotations

from collections.abc import Sequence

from rankgen.manifests.judged_queries import judged_without
from rankgen.manifests.score_order import tied_scores
from rankgen.manifests.trec import Qrels
from rankgen.students.evaluation.systems import System


def notices_of(systems: Sequence[System], qrels: Qrels) -> tuple[str, ...]:
    """Returns what is missing, tied or contradictory in the systems' lists.

    Args:
        systems: First stage, runs, teachers and students.
        qrels: The judgements whose queries count.
    """
    found = _without_lists(systems, qrels)
    for system in systems:
        found += [*_ranks(system, qrels), *_ties(system, qrels)]
    return tuple(found)


def _without_lists(systems: Sequence[System], qrels: Qrels) -> list[str]:
    """Names every set of absent queries once; a student lacks what its candidates lack."""
    sources: dict[frozenset[str], dict[str, System]] = {}
    for system in systems:
        absent = frozenset(qrels.keys() - system.scores.keys())
        if absent and system.kind != "student":
            sources.setdefault(absent, {})[system.source] = system
    found = []
    for named in sources.values():
        held = next(iter(named.values())).scores
        found.append(judged_without(sorted(qrels), held, " and ".join(named)))
    return [sentence for sentence in found if sentence]


def _ranks(system: System, qrels: Qrels) -> list[str]:
    against = sum(query_id in qrels for query_id in system.ranked_otherwise)
    if not against:
        return []
    judged = len(qrels.keys() & system.scores.keys())
    return [
        f"{system.source}: the rank column disagrees with the scores in {against:,} of {judged:,} "
        "judged lists; the scores decide, as in trec_eval"
    ]


def _ties(system: System, qrels: Qrels) -> list[str]:
    """Counts ties in runs and students; first stages and teachers are measured by their order."""
    if system.kind not in ("run", "student"):
        return []
    tied = [
        tied_scores(list(scores.values()))
        for query_id, scores in system.scores.items()
        if query_id in qrels
    ]
    lists = sum(count > 0 for count in tied)
    if not lists:
        return []
    plural = "y" if lists == 1 else "ies"
    return [
        f"{system.name}: {sum(tied):,} tied scores in {lists:,} quer{plural}; the larger document "
        "id comes first, as in trec_eval"
    ]
