"""Documents and queries from JSONL, TSV or Parquet files; a BEIR folder is such a pair."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from rankgen.manifests.errors import UsageError
from rankgen.manifests.records import Document, Query
from rankgen.retrieval.rows import read_rows, unit_of

SUFFIXES = (".jsonl", ".tsv", ".parquet")
DOCUMENT_ID_NAMES = ("_id", "doc_id", "docid", "id", "pid", "docno")
QUERY_ID_NAMES = ("_id", "query_id", "qid", "id")
TEXT_NAMES = ("text", "contents", "body")
QUERY_TEXT_NAMES = ("text", "query", "contents")


class TabularDocuments:
    """The documents of one file.

    A row has an id (`_id`, `doc_id`, `docid`, `id`, `pid` or `docno`), a text (`text`, `contents`
    or `body`; it may be empty) and at will a `title`. A TSV file without a header has the columns
    id, text or id, title, text.

    Args:
        path: A `.jsonl`, `.tsv` or `.parquet` file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def documents(self) -> Iterator[tuple[str, Document]]:
        """Yields (file and line, document); see `DocumentSource`."""
        columns = {2: ("_id", "text"), 3: ("_id", "title", "text")}
        for row in read_rows(self._path, columns, DOCUMENT_ID_NAMES):
            where = f"{self._path} {unit_of(self._path)} {row.number}"
            yield where, document_of(where, row.fields)


class TabularQueries:
    """The queries of one file: an id (`_id`, `query_id`, `qid` or `id`) and a text each.

    Args:
        path: A `.jsonl`, `.tsv` or `.parquet` file.
        only: The ids to keep; None keeps all.
    """

    def __init__(self, path: Path, only: frozenset[str] | None = None) -> None:
        self._path = path
        self._only = only

    def queries(self) -> Iterator[tuple[str, Query]]:
        """Yields (file and line, query); see `QuerySource`."""
        for row in read_rows(self._path, {2: ("_id", "text")}, QUERY_ID_NAMES):
            where = f"{self._path} {unit_of(self._path)} {row.number}"
            if self._only is None or _identity(where, row.fields, QUERY_ID_NAMES) in self._only:
                yield where, query_of(where, row.fields)


def document_of(where: str, fields: Mapping[str, object]) -> Document:
    """Reads one row of documents.

    Args:
        where: Where it stands, for messages.
        fields: Column name -> value; see `TabularDocuments`.

    Raises:
        UsageError: It has no id or no text, or one of another type.
    """
    title = _string(where, "title", fields.get("title"))
    identity = _identity(where, fields, DOCUMENT_ID_NAMES)
    return Document(identity, title, _text(where, fields, TEXT_NAMES))


def query_of(where: str, fields: Mapping[str, object]) -> Query:
    """Reads one row of queries; see `document_of`."""
    identity = _identity(where, fields, QUERY_ID_NAMES)
    return Query(identity, _text(where, fields, QUERY_TEXT_NAMES))


def table_in(folder: Path, stem: str) -> Path:
    """Returns the one file `folder/stem.{jsonl,tsv,parquet}`.

    Raises:
        UsageError: There is none, or more than one.
    """
    found = [folder / f"{stem}{suffix}" for suffix in SUFFIXES]
    found = [path for path in found if path.is_file()]
    wanted = f"{stem}.jsonl, {stem}.tsv or {stem}.parquet"
    if not found:
        raise UsageError(f"{folder} holds no {wanted}", f"put one there, or name it: --{stem} FILE")
    if len(found) > 1:
        names = " and ".join(path.name for path in found)
        raise UsageError(f"{folder} holds both {names}", f"name one of them: --{stem} FILE")
    return found[0]


def _identity(where: str, fields: Mapping[str, object], names: tuple[str, ...]) -> str:
    name = _present(fields, names)
    value = fields[name] if name else None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if value is None or not isinstance(value, str):
        raise UsageError(f"{where} has no id", "write the field " + " or ".join(names))
    return _string(where, str(name), value)


def _text(where: str, fields: Mapping[str, object], names: tuple[str, ...]) -> str:
    name = _present(fields, names)
    if name is None:
        raise UsageError(
            f"{where} has no text: none of its fields is called " + ", ".join(names),
            f"write the field {names[0]}; it may be empty",
        )
    return _string(where, name, fields[name])


def _present(fields: Mapping[str, object], names: tuple[str, ...]) -> str | None:
    return next((name for name in names if name in fields), None)


def _string(where: str, name: str, value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise UsageError(
            f"{where}: the field {name} is of type {type(value).__name__}, not a string",
            f"write {name} as a string",
        )
    if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
        raise UsageError(
            f"{where}: the field {name} holds half a surrogate pair, which is no text",
            "mend the \\u escapes of that line",
        )
    return value
