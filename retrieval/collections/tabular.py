"""Documents and queries from JSONL, TSV or Parquet files, such as the two of a BEIR folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from rankgen.manifests.errors import UsageError
from rankgen.manifests.records import Document, Query
from rankgen.retrieval.collections.column_names import DOCUMENT, QUERY, ColumnNames, find_columns
from rankgen.retrieval.collections.rows import read_rows, unit_of

SUFFIXES = (".jsonl", ".tsv", ".parquet")


class TabularDocuments:
    """The documents of one file.

    A row has an id, a text (which may be empty) and optionally a title, under names in
    `column_names.DOCUMENT` such as `_id`, `doc_id` or `docno`, and `text`, `contents` or `passage`;
    other columns are ignored. A TSV file without a header has the columns id, text or id, title,
    text.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def documents(self) -> Iterator[tuple[str, Document]]:
        """Yields (file and line, document); see `DocumentSource`."""
        columns = {2: ("_id", "text"), 3: ("_id", "title", "text")}
        for row in read_rows(self._path, columns, DOCUMENT):
            where = f"{self._path} {unit_of(self._path)} {row.number}"
            yield where, document_of(where, row.fields)


class TabularQueries:
    """The queries of one file.

    A row has an id and a text, under names in `column_names.QUERY` such as `_id`, `query_id` or
    `qid`, and `text`, `query` or `title`. A TSV file without a header has the columns id, text.
    Queries whose ids are not in `only` are left out; None keeps all.
    """

    def __init__(self, path: Path, only: frozenset[str] | None = None) -> None:
        self._path, self._only = path, only

    def queries(self) -> Iterator[tuple[str, Query]]:
        """Yields (file and line, query); see `QuerySource`."""
        for row in read_rows(self._path, {2: ("_id", "text")}, QUERY):
            where = f"{self._path} {unit_of(self._path)} {row.number}"
            query = query_of(where, row.fields)
            if self._only is None or query.query_id in self._only:
                yield where, query


def document_of(where: str, fields: Mapping[str, object]) -> Document:
    """Reads one row of documents.

    Args:
        where: Location of the row, for messages.
        fields: Column name -> value; see `TabularDocuments`.

    Raises:
        UsageError: The row has no id or no text, or one of another type.
    """
    return Document(*_id_title_text(where, fields, DOCUMENT))


def query_of(where: str, fields: Mapping[str, object]) -> Query:
    """Reads one row of queries; see `document_of`."""
    identity, _, text = _id_title_text(where, fields, QUERY)
    return Query(identity, text)


def table_in(folder: Path, stem: str) -> Path:
    """Returns the one file `folder/stem.{jsonl,tsv,parquet}`.

    Raises:
        UsageError: There is no such file, or more than one.
    """
    found = [path for suffix in SUFFIXES if (path := folder / f"{stem}{suffix}").is_file()]
    if not found:
        wanted = f"{stem}.jsonl, {stem}.tsv or {stem}.parquet"
        raise UsageError(f"{folder} has no {wanted}", f"put one there, or name it: --{stem} FILE")
    if len(found) > 1:
        names = " and ".join(path.name for path in found)
        raise UsageError(f"{folder} has both {names}", f"name one of them: --{stem} FILE")
    return found[0]


def _id_title_text(
    where: str, fields: Mapping[str, object], names: ColumnNames
) -> tuple[str, str, str]:
    found = find_columns(names, tuple(fields))
    value = None if found.id is None else fields[found.id]
    if found.id is None or value is None:
        raise UsageError(
            f"{where} has no id; its fields are {_listed(fields)}",
            "write the field " + " or ".join(names.ids),
        )
    is_number = isinstance(value, int) and not isinstance(value, bool)
    identity = str(value) if is_number else _string(where, found.id, value)
    title = "" if found.title is None else _string(where, found.title, fields[found.title])
    if found.text is None:
        raise UsageError(
            f"{where} has no text; its fields are {_listed(fields)}",
            f"write the field {' or '.join(names.texts)}; it may be empty",
        )
    return identity, title, _string(where, found.text, fields[found.text])


def _listed(fields: Mapping[str, object], limit: int = 12) -> str:
    shown = ", ".join(list(fields)[:limit]) or "none"
    return shown if len(fields) <= limit else f"{shown} and {len(fields) - limit} more"


def _string(where: str, name: str, value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise UsageError(
            f"{where}: the field {name} is not a string but of type {type(value).__name__}",
            f"write {name} as a string",
        )
    if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
        raise UsageError(
            f"{where}: the field {name} has half a surrogate pair, which is not valid text",
            "correct the \\u escapes in that line",
        )
    return value
