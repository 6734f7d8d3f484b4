"""All there is to see of one query: lists, moves and calls of every run, as plain JSON values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, TypedDict

from rankgen.manifests.errors import UsageError
from rankgen.students.agreement.measures import kendall_tau, overlap, rank_biased_overlap
from rankgen.students.pages.opened_run import OpenedRun
from rankgen.students.pages.passages import Passages
from rankgen.students.pages.run_rows import Row
from rankgen.students.pages.steps import Step, steps_of

Status = Literal["complete", "degraded", "quarantined"]
# As `rankgen compare` has them unless it is told otherwise.
PERSISTENCE, TOP = 0.9, 10


class PassageView(TypedDict):
    """A document; `text` is None where no run has it, `grade` where it is not judged."""

    doc_id: str
    title: str
    text: str | None
    grade: int | None


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
        status: As in `rankings`, or "quarantined" for a query without a ranking.
        reason: Why it is quarantined; None where it is not.
        before: The first stage's order; empty where it is not known.
        before_ranks: Their first-stage ranks, from 1, which have gaps where a part was drawn.
        before_scores: Their first-stage scores.
        after: The teacher's order; empty for a quarantined query.
        rises: How many ranks each of `after` rose (negative: fell); None for one that was added.
        scores: The teacher's scores, aligned with `after`; None where it gave an order alone.
        movement: None where fewer than two documents were ranked.
        steps: The calls; empty for a run without windows.
    """

    run: str
    teacher: str
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


class OtherList(TypedDict):
    """The order of a system that is not a run of rankings, such as a student."""

    name: str
    kind: str
    order: list[int]


class QueryView(TypedDict):
    """One query; `runs` holds None for a run that lacks it."""

    query_id: str
    text: str | None
    documents: list[PassageView]
    runs: list[RunView | None]
    others: list[OtherList]


class Documents:
    """The table of a query's documents, filled as lists name them.

    Args:
        passages: Where their texts are.
        grades: Grade by document id; None where the query is not judged.
    """

    def __init__(self, passages: Passages, grades: Mapping[str, int] | None = None) -> None:
        self._passages, self._grades = passages, grades or {}
        self._place: dict[str, int] = {}
        self.views: list[PassageView] = []

    def places(self, doc_ids: Sequence[str]) -> list[int]:
        """Returns the places of documents in the table, adding those that are new."""
        return [self._placed(doc_id) for doc_id in doc_ids]

    def _placed(self, doc_id: str) -> int:
        place = self._place.get(doc_id)
        if place is None:
            place = self._place[doc_id] = len(self.views)
            found = self._passages.get(doc_id)
            self.views.append(
                PassageView(
                    doc_id=doc_id,
                    title=found.title if found else "",
                    text=found.text if found else None,
                    grade=self._grades.get(doc_id),
                )
            )
        return place


def query_view(
    query_id: str,
    runs: Sequence[OpenedRun],
    passages: Passages,
    grades: Mapping[str, int] | None = None,
    others: Mapping[tuple[str, str], Sequence[str]] | None = None,
) -> QueryView:
    """Returns one query as every run has it.

    Args:
        query_id: The query.
        runs: Runs of rankings.
        passages: The texts; an empty one leaves them out.
        grades: Grade by document id; None where the query is not judged.
        others: Document ids, best first, by (name, kind) of a system that is not a run.

    Raises:
        UsageError: No run has the query.
        IntegrityProblem: A shard is damaged, or windows do not fit their list.
    """
    documents = Documents(passages, grades)
    views = [_run_view(run, query_id, documents) for run in runs]
    if not any(views) and not others:
        names = ", ".join(run.name for run in runs)
        raise UsageError(
            f"query {query_id} is not in {names}", "name an id from its table of queries"
        )
    texts = (run.text(query_id) for run in runs)
    return QueryView(
        query_id=query_id,
        text=next((text for text in texts if text is not None), None),
        documents=documents.views,
        runs=views,
        others=[
            OtherList(name=name, kind=kind, order=documents.places(doc_ids))
            for (name, kind), doc_ids in (others or {}).items()
        ],
    )


def _run_view(run: OpenedRun, query_id: str, documents: Documents) -> RunView | None:
    row, reason = run.ranking(query_id), run.quarantined.get(query_id)
    if row is None and reason is None:
        return None
    calls = run.calls(query_id)
    if row is None:
        return _without_ranking(run, query_id, reason or "", calls, documents)
    columns = (row[name] for name in ("retrieval_positions", "doc_ids", "retrieval_scores"))
    found = sorted(zip(*columns, strict=True))
    # Passages that were added to the list have no rank in the first stage.
    retrieved = [entry for entry in found if entry[0] > 0]
    before = documents.places([doc_id for _, doc_id, _ in retrieved])
    after = documents.places(row["doc_ids"])
    return RunView(
        run=run.name,
        teacher=run.teacher,
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
        steps=steps_of(calls, before) if calls else [],
    )


def _without_ranking(
    run: OpenedRun, query_id: str, reason: str, calls: list[Row], documents: Documents
) -> RunView:
    found = run.candidates(query_id)
    before = [] if found is None else documents.places(found.doc_ids)
    return RunView(
        run=run.name,
        teacher=run.teacher,
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


def _rises(before: Sequence[int], after: Sequence[int]) -> list[int | None]:
    rank = {document: place for place, document in enumerate(before)}
    return [
        rank[document] - place if document in rank else None for place, document in enumerate(after)
    ]


def _movement(before: Sequence[int], after: Sequence[int]) -> Movement | None:
    kept = set(before)
    one = [str(document) for document in before]
    other = [str(document) for document in after if document in kept]
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
