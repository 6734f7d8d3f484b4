"""The documents of a list as the teacher is shown them, and which chunks they are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rankgen.manifests.long_documents.rule import ChunkRule
from rankgen.manifests.long_documents.shown import shown_chunk
from rankgen.manifests.records import Document, Query


class ShownDocuments:
    """Chooses a chunk of every document, and remembers it until the query is written down.

    Args:
        rule: How long documents are read; None shows documents as they are.
    """

    def __init__(self, rule: ChunkRule | None) -> None:
        self._rule = rule
        self._chunks: dict[str, list[int]] = {}

    def of(self, query: Query, documents: Sequence[Document]) -> list[Document]:
        """Returns what the teacher is shown of a query's documents, in their order."""
        if self._rule is None:
            return list(documents)
        chosen = [shown_chunk(self._rule, query.text, document) for document in documents]
        self._chunks[query.query_id] = [number for number, _ in chosen]
        return [chunk for _, chunk in chosen]

    def forget(self, query_ids: Iterable[str]) -> dict[str, list[int]]:
        """Returns and forgets the numbers of the chunks by query id, in the order of its list."""
        return {q: self._chunks.pop(q) for q in query_ids if q in self._chunks}
