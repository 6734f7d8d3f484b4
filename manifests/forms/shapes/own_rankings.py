"""Rows of rankings that `rankgen publish` wrote, whose order is the teacher's own.

A teacher that scores passages window by window need not have ordered a whole list by its scores, so
a list here is not sorted by them as those of other sources are.
"""

from __future__ import annotations

from collections.abc import Mapping

from rankgen.manifests.errors import UsageError
from rankgen.manifests.forms.fields import list_in, number_in
from rankgen.manifests.forms.files.rows import Row
from rankgen.manifests.forms.shared_list import SharedList
from rankgen.manifests.schema import NOT_RETRIEVED

_POSITIONS, _SCORES = "retrieval_positions", "teacher_scores"


def is_own_ranking(fields: Mapping[str, object]) -> bool:
    """Tells whether a row has the columns of the table `rankings`."""
    return _POSITIONS in fields and _SCORES in fields and "candidates_sha256" in fields


def own_ranking(row: Row, listed: SharedList) -> SharedList:
    """Returns a list with its teacher's scores and the first stage's order.

    Args:
        row: A row of the table `rankings`.
        listed: Its query and its documents, in the teacher's order.

    Raises:
        UsageError: A column holds a list of another length than the documents'.
    """
    where, fields = row.where, row.fields
    positions = [number_in(where, p, _POSITIONS) for p in _aligned(row, _POSITIONS, listed)]
    first_stage = None
    # Passages that were added to a list have no position.
    if NOT_RETRIEVED not in positions:
        ordered = sorted(zip(positions, listed.doc_ids, strict=True))
        first_stage = tuple(doc_id for _, doc_id in ordered)
    scores = None
    if fields[_SCORES] is not None:
        scores = tuple(number_in(where, s, _SCORES) for s in _aligned(row, _SCORES, listed))
    is_whole = fields.get("status") != "degraded"
    return listed._replace(scores=scores, first_stage=first_stage, is_whole=is_whole)


def _aligned(row: Row, column: str, listed: SharedList) -> list[object]:
    values = list_in(row.where, row.fields[column], column)
    if len(values) != len(listed.doc_ids):
        raise UsageError(
            f"{row.where}: the columns doc_ids and {column} hold lists of {len(listed.doc_ids)} "
            f"and {len(values)}",
            "write one value for each document, or remove the row",
        )
    return list(values)
