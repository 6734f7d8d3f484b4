"""What one run says of one query, or a system beside another: lists, moves and calls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypedDict

from rankgen.students.agreement.measures import kendall_tau, overlap, rank_biased_overlap
from rankgen.students.pages.documents import Documents
from rankgen.students.pages.opened_run import OpenedRun
from rankgen.students.pages.run_rows import Row
from rankgen.students.pages.steps import Step, steps_of

Status = Literal["complete", "degraded", "quarantined", "ranked"]
FIRST_STAGE = "first stage"
# As `rankgen compare` has them unless it is told otherwise.
PERSISTENCE, TOP = 0.9, 10


class Movement(TypedDict):
    """How far a teacher's order is from the first stage's, by the measures of `compare`."""

    tau: float
    rbo: float
    top: float
    largest_rise: int
    largest_fall: int


class RunView(TypedDict):
    """What one run says of a query; documents are named by their places in `documents`.

    Attributes:
        compared_with: What `before` is: the first stage, or the system it is compared with.
        status: As in `rankings`, "quarantined" for a query without a ranking, or "ranked" by a
            system that is not a run of rankings.
        reason: Why it is quarantined; None where it is not.
        before: The first stage's order; empty where it is not known.
        before_ranks: Their first-stage ranks, from 1, which have gaps where a part was drawn.
        before_scores: Their first-stage scores.
        after: The teacher's order; empty for a quarantined query.
        rises: How many ranks each of `after` rose (negative: fell); None for one that was added, or
            where the first stage is not known.
        scores: The teacher's scores, aligned with `after`; None where it gave an order alone.
        movement: None where fewer than two documents were ranked.
        steps: The calls; empty for a run without windows.
    """

    run: str
    teacher: str
    compared_with: str
    status: Status
    reason: str | None
    before: list[int]
    before_ranks: list[int]
    before_scores: list[float]
    after: list[int]
    rises: list[int | None]
    scores: list[float] | None
    movement: Movement | None
    prompt_tokens: int
    output_tokens: int
    repaired_windows: int
    steps: list[Step]


def run_view(run: OpenedRun, query_id: str, documents: Documents) -> RunView | None:
    """Returns what a run says of a query; None where it lacks it.

    Raises:
        IntegrityProblem: A shard is damaged, or windows do not fit their list.
    """
    row, reason = run.ranking(query_id), run.quarantined.get(query_id)
    if row is None and reason is None:
        return None
    calls = run.calls(query_id)
    if row is None:
        return _without_ranking(run, query_id, reason or "", calls, documents)
    columns = (row[name] for name in ("retrieval_positions", "doc_ids", "retrieval_scores"))
    found = sorted(zip(*columns, strict=True))
    # Passages that were added to the list have no rank in the first stage.
    is_known = run.knows_first_stage(row["retrieval_positions"])
    retrieved = [entry for entry in found if entry[0] > 0] if is_known else []
    before = documents.places([doc_id for _, doc_id, _ in retrieved])
    after = documents.places(row["doc_ids"])
    return RunView(
        run=run.name,
        teacher=run.teacher,
        compared_with=FIRST_STAGE,
        status=row["status"],
        reason=None,
        before=before,
        before_ranks=[rank for rank, _, _ in retrieved],
        before_scores=[score for _, _, score in retrieved],
        after=after,
        rises=_rises(before, after),
        scores=row["teacher_scores"],
        movement=_movement(before, after),
        prompt_tokens=row["prompt_tokens"],
        output_tokens=row["output_tokens"],
        repaired_windows=row["repaired_windows"],
        steps=steps_of(calls, before) if calls and is_known else [],
    )


def _without_ranking(
    run: OpenedRun, query_id: str, reason: str, calls: list[Row], documents: Documents
) -> RunView:
    found = run.candidates(query_id)
    before = [] if found is None else documents.places(found.doc_ids)
    return RunView(
        run=run.name,
        teacher=run.teacher,
        compared_with=FIRST_STAGE,
        status="quarantined",
        reason=reason,
        before=before,
        before_ranks=list(range(1, len(before) + 1)),
        before_scores=[] if found is None else list(found.scores),
        after=[],
        rises=[],
        scores=None,
        movement=None,
        prompt_tokens=sum(call["prompt_tokens"] for call in calls),
        output_tokens=sum(call["output_tokens"] for call in calls),
        repaired_windows=0,
        # Without the list, nobody can say what a call showed.
        steps=steps_of(calls, before) if before else [],
    )


def compared_view(
    name: str, after: Sequence[int], compared_with: str, before: Sequence[int]
) -> RunView:
    """Returns the order of a system that is not a run of rankings beside that of another.

    Args:
        name: The system.
        after: Its order, as places in the query's table of documents.
        compared_with: The other system.
        before: That one's order; empty where there is none.
    """
    return RunView(
        run=name,
        teacher=name,
        compared_with=compared_with,
        status="ranked",
        reason=None,
        before=list(before),
        before_ranks=list(range(1, len(before) + 1)),
        before_scores=[],
        after=list(after),
        rises=_rises(before, after),
        scores=None,
        movement=_movement(before, after),
        prompt_tokens=0,
        output_tokens=0,
        repaired_windows=0,
        steps=[],
    )


def _rises(before: Sequence[int], after: Sequence[int]) -> list[int | None]:
    rank = {document: place for place, document in enumerate(before)}
    return [
        rank[document] - place if document in rank else None for place, document in enumerate(after)
    ]


def _movement(before: Sequence[int], after: Sequence[int]) -> Movement | None:
    kept = set(before) & set(after)
    one, other = ([str(d) for d in order if d in kept] for order in (before, after))
    if len(one) < 2:
        return None
    rises = [rise for rise in _rises(before, after) if rise is not None]
    return Movement(
        tau=kendall_tau(one, other),
        rbo=rank_biased_overlap(one, other, PERSISTENCE),
        top=overlap(one, other, TOP),
        largest_rise=max(0, *rises),
        largest_fall=max(0, *(-rise for rise in rises)),
    )
