"""Texts of a source or a collection on disk: each id once, sorted, whatever their number."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa

from rankgen.manifests.errors import UsageError
from rankgen.manifests.forms.shape import DOCUMENT_TEXTS, QUERY_TEXTS
from rankgen.manifests.records import Document, Query
from rankgen.manifests.storage.string_pairs import StringPairs

# Ends an id in a sort key: no character sorts before it, and no id may hold it.
_END = "\0"
_PENDING_ROWS = 4_096


class FoundTexts:
    """Texts of queries or documents, added in any order and read sorted by id.

    Of several texts of one id, the first in the order of texts is kept.

    Args:
        path: A file that does not exist yet.
        schema: `QUERY_TEXTS` or `DOCUMENT_TEXTS`.

    Attributes:
        rows: The number of texts that were added, an id again counted again.
        conflicts: The number of texts beside the one that is kept of an id; known once settled.
    """

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._path, self._schema = path, schema
        self._file = pa.OSFile(str(path), "wb")
        self._stream = pa.ipc.new_stream(self._file, schema)
        self._pending: list[tuple[str, ...]] = []
        self._sorted: StringPairs | None = None
        self.rows = 0
        self.conflicts = 0

    def add(self, rows: pa.Table | None) -> None:
        """Adds a table of texts; None adds nothing."""
        if rows is not None and rows.num_rows:
            self._stream.write_table(rows)
            self.rows += rows.num_rows

    def add_one(self, *row: str) -> None:
        """Adds an id and its texts."""
        self._pending.append(row)
        self.rows += 1
        if len(self._pending) >= _PENDING_ROWS:
            self._write_pending()

    def settle(self) -> None:
        """Ends the adding, and sorts the texts.

        Raises:
            UsageError: An id holds a NUL byte.
        """
        self._write_pending()
        self._stream.close()
        self._file.close()
        self._sorted = StringPairs((key, "") for key in self._keys())
        self._path.unlink()
        self.conflicts = len(self._sorted) - sum(1 for _ in self)

    def __iter__(self) -> Iterator[tuple[str, ...]]:
        """Yields the rows, sorted by id, each id once."""
        assert self._sorted is not None, "settle() comes first"
        last = None
        for key, _ in self._sorted:
            name, _, texts = key.partition(_END)
            if name != last:
                last = name
                yield (name, *json.loads(texts))

    def _write_pending(self) -> None:
        if self._pending:
            columns = zip(*self._pending, strict=True)
            arrays = [pa.array(column, pa.string()) for column in columns]
            self._pending = []
            self._stream.write_table(pa.table(arrays, schema=self._schema))

    def _keys(self) -> Iterator[str]:
        with pa.OSFile(str(self._path)) as file, pa.ipc.open_stream(file) as stream:
            for batch in stream:
                for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                    name, *texts = row
                    if _END in name:
                        raise UsageError(f"the id {name!r} holds a NUL byte", "rename it")
                    yield name + _END + json.dumps(texts, ensure_ascii=False)


def query_texts(folder: Path) -> FoundTexts:
    """Returns a store for texts of queries."""
    return FoundTexts(folder / "queries.arrow", QUERY_TEXTS)


def document_texts(folder: Path) -> FoundTexts:
    """Returns a store for titles and texts of documents."""
    return FoundTexts(folder / "documents.arrow", DOCUMENT_TEXTS)


def queries_in(found: Iterable[tuple[str, ...]]) -> Iterator[Query]:
    """Yields rows of queries as records."""
    return (Query(*row) for row in found)


def documents_in(found: Iterable[tuple[str, ...]]) -> Iterator[Document]:
    """Yields rows of documents as records."""
    return (Document(*row) for row in found)
