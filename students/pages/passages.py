"""The documents of one or more runs, by id: title and text."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

from rankgen.manifests.records import Document
from rankgen.manifests.run.run_directory import RunDirectory


class Passages:
    """Documents held as Arrow, so that a million of them fit into memory.

    Args:
        runs: Runs to look in, the first one first; those without documents are passed over.
    """

    def __init__(self, runs: Iterable[RunDirectory]) -> None:
        self._tables = [_Texts(run.read("documents")) for run in runs if run.has_table("documents")]

    def __bool__(self) -> bool:
        return bool(self._tables)

    def get(self, doc_id: str) -> Document | None:
        """Returns a document; None where no run has it."""
        found = (table.get(doc_id) for table in self._tables)
        return next((document for document in found if document is not None), None)


class _Texts:
    def __init__(self, rows: pa.Table) -> None:
        self._titles, self._texts = rows["title"], rows["text"]
        self._place = {doc_id: n for n, doc_id in enumerate(rows["doc_id"].to_pylist())}

    def get(self, doc_id: str) -> Document | None:
        place = self._place.get(doc_id)
        if place is None:
            return None
        return Document(doc_id, self._titles[place].as_py(), self._texts[place].as_py())
