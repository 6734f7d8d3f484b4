"""All there is to see of one query: lists, moves and calls of every run, as plain JSON values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypedDict

from rankgen.manifests.errors import UsageError
from rankgen.students.pages.documents import Documents, PassageView
from rankgen.students.pages.opened_run import OpenedRun
from rankgen.students.pages.passages import Passages
from rankgen.students.pages.run_view import RunView, Status, run_view

__all__ = ["PassageView", "QueryView", "RunView", "Status", "query_view"]


class QueryView(TypedDict):
    """One query; `runs` holds None for a run that lacks it."""

    query_id: str
    text: str | None
    documents: list[PassageView]
    runs: list[RunView | None]


def query_view(
    query_id: str,
    runs: Sequence[OpenedRun],
    passages: Passages,
    grades: Mapping[str, int] | None = None,
) -> QueryView:
    """Returns one query as every run has it.

    Args:
        query_id: The query.
        runs: Runs of rankings.
        passages: The texts; an empty one leaves them out.
        grades: Grade by document id; None where the query is not judged.

    Raises:
        UsageError: No run has the query.
        IntegrityProblem: A shard is damaged, or windows do not fit their list.
    """
    documents = Documents(passages, grades)
    views = [run_view(run, query_id, documents) for run in runs]
    if not any(views):
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
    )
