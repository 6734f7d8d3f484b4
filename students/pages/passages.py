"""The documents of one or more runs, by id: title and text."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

from rankgen.manifests.records import Document
from rankgen.manifests.run.run_directory import RunDirectory


class Passages:
    """Documents held as Arrow, so that a million of them fit into memory.

    Args:
        runs: Runs to look in, the first one first. A run is read when none before it has
            a document; those without documents are passed over.
    """

    def __init__(self, runs: Iterable[RunDirectory]) -> None:
        self._unread = [run for run in runs if run.has_table("documents")]
        self._read: list[_Texts] = []

    def __bool__(self) -> bool:
        return bool(self._read or self._unread)

    def get(self, doc_id: str) -> Document | None:
        """Returns a document; None where no run has it.

        Raises:
            IntegrityProblem: A shard of documents cannot be read.
        """
        for table in self._read:
            if (found := table.get(doc_id)) is not None:
                return found
        while self._unread:
            self._read.append(_Texts(self._unread.pop(0).read("documents")))
            if (found := self._read[-1].get(doc_id)) is not None:
                return found
        return None


class _Texts:
    def __init__(self, rows: pa.Table) -> None:
        self._titles, self._texts = rows["title"], rows["text"]
        self._place = {doc_id: n for n, doc_id in enumerate(rows["doc_id"].to_pylist())}

    def get(self, doc_id: str) -> Document | None:
        place = self._place.get(doc_id)
        if place is None:
            return None
        return Document(doc_id, self._titles[place].as_py(), self._texts[place].as_py())
