"""Which columns of a file of scored documents hold what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from rankgen.manifests.errors import UsageError
from rankgen.manifests.forms import column_names as known
from rankgen.manifests.forms.fields import first_of
from rankgen.manifests.forms.shape import Preset

_KNOWN = {
    "query_id": known.QUERY_IDS,
    "doc_id": known.DOC_IDS,
    "score": known.SCORES,
    "rank": known.RANKS,
    "query": known.QUERY_TEXTS,
    "document": known.DOC_TEXTS,
}


class Columns(NamedTuple):
    """The names of a file's columns by what they hold; None where it has no such column.

    Texts that stand beside an id are its texts; without an id they are all there is.
    """

    query_id: str | None
    doc_id: str | None
    score: str | None
    rank: str | None
    query: str | None
    document: str | None

    def lacking(self) -> str | None:
        """Returns the role of what is missing to rank documents of queries; None for nothing."""
        if self.query_id is None and self.query is None:
            return "query_id"
        if self.doc_id is None and self.document is None:
            return "doc_id"
        return "score" if self.score is None else None

    def roles(self) -> dict[str, str]:
        """Returns role -> name of the columns that are there."""
        return {role: name for role, name in self._asdict().items() if name is not None}


def find_columns(row: Mapping[str, object], preset: Preset) -> Columns:
    """Finds the columns of a row; those that a preset names are preferred."""
    names = {
        role: first_of(row, [preset.columns[role]] if role in preset.columns else others)
        for role, others in _KNOWN.items()
    }
    return Columns(**names)


def needed_columns(where: str, row: Mapping[str, object], preset: Preset) -> Columns:
    """Finds the columns of a row; see `find_columns`.

    Args:
        where: The file, or the file and the row.
        row: Column -> value; one that is None is not there.
        preset: The form.

    Raises:
        UsageError: One that is needed is missing.
    """
    columns = find_columns(row, preset)
    lacking = columns.lacking()
    if lacking is not None:
        role = lacking.replace("_", " ")
        raise UsageError(
            f"{where} has no column of a {role}; its columns are {listed(list(row))}",
            f"say which column it is: --columns {lacking}=NAME, or choose another form",
        )
    return columns


def listed(names: Sequence[str]) -> str:
    """Returns names as a message shows them."""
    return ", ".join(names[:12]) or "none"
