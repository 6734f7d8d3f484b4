"""What a reader of an evaluation must know beside its figures, one sentence each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rankgen.manifests.judged_queries import judged_without
from rankgen.manifests.score_order import tied_scores
from rankgen.manifests.trec import Qrels
from rankgen.students.evaluation.systems import System


def notices_of(systems: Sequence[System], qrels: Qrels) -> tuple[str, ...]:
    """Returns what is missing, irrelevant, tied or contradictory in the systems' lists.

    Args:
        systems: First stage, runs, teachers and students.
        qrels: The judgements whose queries count.
    """
    found = _without_lists(systems, qrels)
    found += _without_relevant(systems, qrels)
    for system in systems:
        found += _of_one(system, qrels)
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


def _without_relevant(systems: Sequence[System], qrels: Qrels) -> Iterator[str]:
    """Tells of figures that say nothing: without relevant passages nDCG and its like are 0."""
    relevant = {q: {d for d, grade in judged.items() if grade > 0} for q, judged in qrels.items()}
    if not any(relevant.values()):
        yield "no passage is judged relevant, so that nDCG and its like are 0"
        return
    for system in systems:
        lists = ((relevant[q], of) for q, of in system.scores.items() if q in relevant)
        # A student ranks what its first stage found.
        if system.kind != "student" and all(found.isdisjoint(of) for found, of in lists):
            yield (
                f"{system.source}: no judged list holds a passage that is judged relevant; are "
                "documents named by the same ids in both?"
            )


def _of_one(system: System, qrels: Qrels) -> Iterator[str]:
    against = sum(query_id in qrels for query_id in system.ranked_otherwise)
    if against:
        judged = len(qrels.keys() & system.scores.keys())
        yield (
            f"{system.source}: the rank column disagrees with the scores in {against:,} of "
            f"{judged:,} judged lists; the scores decide, as in trec_eval"
        )
    # First stages and teachers are measured by their order.
    if system.kind in ("run", "student"):
        judged_scores = [
            system.scores[query_id] for query_id in qrels.keys() & system.scores.keys()
        ]
        tied = [tied_scores(list(scores.values())) for scores in judged_scores]
        if lists := sum(count > 0 for count in tied):
            yield (
                f"{system.name}: {sum(tied):,} tied scores in {lists:,} "
                f"quer{'y' if lists == 1 else 'ies'}; the larger document id comes first, as in "
                "trec_eval"
            )
