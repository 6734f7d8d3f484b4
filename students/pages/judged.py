"""Where a teacher and the judgements disagree."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TypedDict

from rankgen.manifests.errors import UsageError
from rankgen.manifests.judged_queries import judged_without
from rankgen.manifests.schema import NOT_RETRIEVED
from rankgen.manifests.trec import Qrels
from rankgen.students.evaluation.measures import mean, per_query
from rankgen.students.evaluation.systems import scores_of_order
from rankgen.students.pages.opened_run import OpenedRun
from rankgen.students.pages.run_rows import Row

MEASURE = "nDCG@10"
TOP = 10
MOST_LISTED = 15
# The last ranks of the groups of ranks in which grades are counted.
RANK_ENDS = (1, 3, 10, 20, 50, 100, 1000)


class GradeCount(TypedDict):
    """Passages of one grade at some ranks of one order; `grade` is None for unjudged ones."""

    order: str
    ranks: tuple[int, int]
    grade: int | None
    passages: int


class Disagreement(TypedDict):
    """A passage that the teacher placed against its judgement; `before` and `after` are ranks."""

    query_id: str
    doc_id: str
    grade: int
    before: int
    after: int


class Judged(TypedDict):
    """A run against judgements, over the queries that are judged and ranked.

    Attributes:
        measure: What the means and gains are of.
        first_stage, teacher: Means over the queries; None where the first stage of one of them is
            not known, and then no move is told either.
        better, worse: Queries whose value the teacher raised, or lowered.
        unjudged: Share of the passages in the teacher's top 10 that nobody judged.
        demoted: Relevant passages that the teacher moved out of the top 10, the worst first.
        promoted: Passages judged not relevant in the teacher's top 3, by how far they rose.
    """

    measure: str
    queries: int
    first_stage: float | None
    teacher: float
    better: int | None
    worse: int | None
    unjudged: float
    grades: list[GradeCount]
    demoted: list[Disagreement]
    promoted: list[Disagreement]


def judged(run: OpenedRun, qrels: Qrels) -> tuple[Judged, dict[str, float]] | None:
    """Returns the disagreement of a run and judgements, and the teacher's gain by query.

    Returns None where no query is both judged and ranked.

    Raises:
        IntegrityProblem: A shard cannot be read.
    """
    columns = ["query_id", "doc_ids", "retrieval_positions"]
    rows = [
        row
        for shard in run.directory.shards("rankings", columns)
        for row in shard.to_pylist()
        if row["query_id"] in qrels
    ]
    if not rows:
        return None
    held = {row["query_id"]: qrels[row["query_id"]] for row in rows}
    known = all(run.knows_first_stage(row["retrieval_positions"]) for row in rows)
    before = {row["query_id"]: retrieved(row) for row in rows} if known else {}
    after: dict[str, Sequence[str]] = {row["query_id"]: row["doc_ids"] for row in rows}
    first = _values(held, before) if known else {}
    teacher = _values(held, after)
    gains = {query_id: teacher[query_id] - first[query_id] for query_id in first}
    tops = [doc_id in held[q] for q, order in after.items() for doc_id in order[:TOP]]
    found = [one for row in rows if known for one in _placed(row, held[row["query_id"]])]
    grades = _grades("first stage", before, held) if known else []
    told = Judged(
        measure=MEASURE,
        queries=len(rows),
        first_stage=mean(first) if known else None,
        teacher=mean(teacher),
        better=sum(gain > 0 for gain in gains.values()) if known else None,
        worse=sum(gain < 0 for gain in gains.values()) if known else None,
        unjudged=1 - sum(tops) / len(tops),
        grades=[*grades, *_grades("teacher", after, held)],
        demoted=heapq.nlargest(MOST_LISTED, filter(_is_demoted, found), key=_demotion),
        promoted=heapq.nlargest(MOST_LISTED, filter(_is_promoted, found), key=_promotion),
    )
    return told, gains


def judged_notices(runs: Sequence[OpenedRun], qrels: Qrels, source: str) -> tuple[str, ...]:
    """Returns a sentence for each run in which judged queries have no list.

    Args:
        runs: The runs of a page.
        qrels: The judgements.
        source: Their file, for the message.

    Raises:
        UsageError: None of the runs has a judged query.
    """
    judged_ids, held = sorted(qrels), [frozenset(run.query_ids()) for run in runs]
    lost = [judged_without(judged_ids, ids, run.name) for run, ids in zip(runs, held, strict=True)]
    if all(ids.isdisjoint(qrels) for ids in held):
        raise UsageError(
            f"no query of {' or '.join(run.name for run in runs)} is judged in {source}",
            f"check that both belong to the same collection: {lost[0]}",
        )
    return tuple(sentence for sentence in lost if sentence)


def retrieved(row: Row) -> list[str]:
    """Returns the documents of a row of `rankings` in first-stage order, without added ones."""
    pairs = sorted(zip(row["retrieval_positions"], row["doc_ids"], strict=True))
    return [doc_id for place, doc_id in pairs if place != NOT_RETRIEVED]


def _values(held: Qrels, orders: Mapping[str, Sequence[str]]) -> dict[str, float]:
    scores = {query_id: scores_of_order(list(order)) for query_id, order in orders.items()}
    return per_query(held, scores, [MEASURE])[MEASURE]


def _placed(row: Row, grades: Mapping[str, int]) -> list[Disagreement]:
    """Returns the judged passages of a list with both their ranks."""
    before = {doc_id: rank for rank, doc_id in enumerate(retrieved(row), start=1)}
    return [
        Disagreement(
            query_id=row["query_id"],
            doc_id=doc_id,
            grade=grades[doc_id],
            before=before[doc_id],
            after=rank,
        )
        for rank, doc_id in enumerate(row["doc_ids"], start=1)
        if doc_id in grades and doc_id in before
    ]


def _is_demoted(one: Disagreement) -> bool:
    return one["grade"] > 0 and one["after"] > TOP and one["after"] > one["before"]


def _is_promoted(one: Disagreement) -> bool:
    return one["grade"] <= 0 and one["after"] <= 3 and one["after"] < one["before"]


def _demotion(one: Disagreement) -> tuple[int, int]:
    return one["grade"], one["after"] - one["before"]


def _promotion(one: Disagreement) -> int:
    return one["before"] - one["after"]


def _grades(order: str, lists: Mapping[str, Sequence[str]], held: Qrels) -> list[GradeCount]:
    deepest = max(map(len, lists.values()))
    counted = list[GradeCount]()
    start = 0
    for end in RANK_ENDS:
        if start >= deepest:
            break
        counts = Counter(
            held[query_id].get(doc_id)
            for query_id, doc_ids in lists.items()
            for doc_id in doc_ids[start:end]
        )
        counted += [
            GradeCount(
                order=order, ranks=(start + 1, min(end, deepest)), grade=grade, passages=passages
            )
            for grade, passages in sorted(
                counts.items(), key=lambda entry: -1 if entry[0] is None else entry[0]
            )
        ]
        start = end
    return counted
