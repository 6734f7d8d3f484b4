"""The sets that a training is validated on, opened by its settings.

The goal of a list is its judgements, or a teacher's order: then the teacher's best ten passages
have the grades 10 to 1, the others 0, and Kendall's tau is measured too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from rankgen.manifests.errors import IntegrityProblem, UsageError
from rankgen.manifests.judged_queries import judged_without
from rankgen.manifests.records import Candidates
from rankgen.manifests.run.provenance import read_predicate
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.schema import NOT_RETRIEVED
from rankgen.retrieval.collections.judgements import read_judgements
from rankgen.students.evaluation.telling_apart import refuse_alike
from rankgen.students.reranking.candidates import CandidateTexts, FirstStage
from rankgen.students.training.learned_queries import plain_text
from rankgen.students.training.validation import Validation, Validations
from rankgen.students.training.validation_settings import ValidationSets

_GRADED = 10


def open_validations(settings: ValidationSets, learned: Mapping[str, str]) -> Validations | None:
    """Returns the validations of a training or a soup, or None without one.

    Args:
        settings: Which sets.
        learned: Text by query id of the queries that the student learns from.

    Raises:
        UsageError: A set has no judged query, or the student learns a teacher's order of it.
        IntegrityProblem: A text is missing.
    """
    most = settings.validation_queries, settings.validation_depth
    judged = zip(settings.validation, settings.validation_qrels, strict=True)
    sets = [judged_validation(candidates, qrels, *most, learned) for candidates, qrels in judged]
    sets += [taught_validation(run, learned, *most) for run in settings.validation_rankings]
    return Validations(sets) if sets else None


def judged_validation(
    candidates: Path,
    qrels: Path,
    queries: int | None,
    depth: int | None,
    learned: Mapping[str, str] = MappingProxyType({}),
) -> Validation:
    """Returns the validation on candidates whose queries are judged.

    Args:
        candidates: A folder that `rankgen retrieve` wrote.
        qrels: Judgements of its queries; queries without a judgement are left out.
        queries: At most so many queries, the first by id.
        depth: Candidates of each query; None takes all.
        learned: Text by query id of the queries that the student learns from; a notice tells of
            those that validate it too.

    Raises:
        UsageError: No query has both candidates and a judgement, or every order of the candidates
            is as good as any other.
    """
    judged = read_judgements(qrels)
    first_stage = FirstStage(RunDirectory(candidates))
    lists = [row for row in first_stage.lists.values() if row.query_id in judged][:queries]
    notice = judged_without(sorted(judged), first_stage.lists, str(candidates))
    if not lists:
        raise UsageError(
            f"no query of {candidates} is judged in {qrels}",
            f"check that both belong to the same collection: {notice}",
        )
    lists = [row.cut(depth) for row in lists]
    refuse_alike(lists, judged, candidates, qrels)
    texts = first_stage.texts(lists, None)
    grades = {row.query_id: judged[row.query_id] for row in lists}
    notices = [] if notice is None else [f"{notice}; the validation leaves them out"]
    if shared := _shared(texts.queries, learned):
        notices.append(
            f"the student learns from {len(shared):,} of the {len(lists):,} queries of "
            f"{candidates}, such as {shared[0]}, so that its validation is optimistic"
        )
    return Validation(candidates.name, texts, grades, notices=notices)


def taught_validation(
    rankings: Path, learned: Mapping[str, str], queries: int | None, depth: int | None
) -> Validation:
    """Returns the validation on a teacher's rankings, which needs no judgements.

    Args:
        rankings: A folder that `rankgen label` wrote.
        learned: The queries that the student learns from.
        queries: At most so many queries, the first by id.
        depth: The teacher's best passages of each list; None takes all.

    Raises:
        UsageError: The student learns from one of its queries, or no list has two passages.
        IntegrityProblem: A text is missing.
    """
    run = RunDirectory(rankings)
    columns = ["query_id", "doc_ids", "retrieval_positions"]
    rows = [row for shard in run.shards("rankings", columns) for row in shard.to_pylist()]
    rows = [row for row in rows if len(row["doc_ids"][:depth]) > 1]
    rows.sort(key=lambda row: str(row["query_id"]))
    named = {str(row["query_id"]) for row in rows} & learned.keys()
    shared = _shared(run.texts_and_titles("queries", named)[0], learned) if named else []
    if shared:
        raise UsageError(
            f"the student learns from {len(shared)} of the {len(rows)} queries of {rankings}, "
            f"such as {shared[0]}, so that they cannot validate it",
            "name rankings of other queries: --validation-rankings",
        )
    if not rows:
        raise UsageError(
            f"{rankings} has no ranking of two passages or more",
            "name another label run, or raise --validation-depth",
        )
    rows = rows[:queries]
    orders = {row["query_id"]: tuple(row["doc_ids"][:depth]) for row in rows}
    lists = [_in_first_stage_order(row, depth) for row in rows]
    texts = _texts_of(run, lists)
    grades = {
        query_id: {d: max(_GRADED - place, 0) for place, d in enumerate(order)}
        for query_id, order in orders.items()
    }
    # The positions of an import without a first stage count the teacher's own order.
    told = (read_predicate(run) or {}).get("first_stage")
    is_known = told not in ("unknown", "known of some")
    return Validation(rankings.name, texts, grades, orders, knows_first_stage=is_known)


def _shared(texts: Mapping[str, str], learned: Mapping[str, str]) -> list[str]:
    """Returns the queries that are learned: other collections may use the same ids."""
    return sorted(
        query_id
        for query_id, text in texts.items()
        if query_id in learned and plain_text(learned[query_id]) == plain_text(text)
    )


def _in_first_stage_order(row: Mapping[str, Any], depth: int | None) -> Candidates:
    held = zip(row["retrieval_positions"][:depth], row["doc_ids"][:depth], strict=True)
    # Passages that the first stage did not return come last.
    kept = sorted(held, key=lambda one: (one[0] == NOT_RETRIEVED, *one))
    doc_ids = tuple(str(doc_id) for _, doc_id in kept)
    return Candidates(str(row["query_id"]), doc_ids, tuple(float(-n) for n in range(len(doc_ids))))


def _texts_of(run: RunDirectory, lists: Sequence[Candidates]) -> CandidateTexts:
    ids = {
        "queries": {row.query_id for row in lists},
        "documents": {doc_id for row in lists for doc_id in row.doc_ids},
    }
    found = {table: run.texts_and_titles(table, wanted) for table, wanted in ids.items()}
    for table, wanted in ids.items():
        if lacking := wanted - found[table][0].keys():
            raise IntegrityProblem(
                f"{run.root} has no text for {min(lacking)}", f"rankgen verify {run.root}"
            )
    return CandidateTexts(tuple(lists), found["queries"][0], *found["documents"])
