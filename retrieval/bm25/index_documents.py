"""The documents stored in a Lucene index, looked up by id or streamed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from rankgen.manifests.errors import IntegrityProblem, UsageError
from rankgen.manifests.records import Document
from rankgen.retrieval.bm25.java import import_pyserini
from rankgen.retrieval.bm25.stored_index import digest_of_index

if TYPE_CHECKING:
    from pyserini.search.lucene import LuceneSearcher


class IndexDocuments:
    """The documents of an index built with `--storeRaw`, such as the prebuilt ones."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def documents(self) -> Iterator[tuple[str, Document]]:
        """Yields (index and number, document) in index order; see `DocumentSource`."""
        for number in range(self._searcher.num_docs):
            yield f"{self._folder} document {number}", self._document(number)

    def digest(self) -> str:
        """Returns the digest of the index's files: seconds, where reading texts takes minutes."""
        return digest_of_index(self._folder)

    def chosen(self, doc_ids: Iterable[str]) -> Iterator[Document]:
        """Yields the documents with these ids; unknown ids are skipped.

        Raises:
            UsageError: The index does not store texts.
        """
        for doc_id in doc_ids:
            if self._searcher.doc(doc_id) is not None:
                yield self._document(doc_id)

    @cached_property
    def _searcher(self) -> LuceneSearcher:
        import_pyserini()
        from pyserini.search.lucene import LuceneSearcher

        return LuceneSearcher(str(self._folder))

    def _document(self, key: str | int) -> Document:
        stored = self._searcher.doc(key)
        if stored is None:
            raise IntegrityProblem(
                f"the index {self._folder} cannot be read at document {key}", "rebuild it"
            )
        raw = stored.raw()
        if raw is None:
            raise UsageError(
                f"the index {self._folder} does not store texts",
                "name the documents: --corpus FILE",
            )
        return _parsed(str(stored.docid()), str(raw))


def _parsed(doc_id: str, raw: str) -> Document:
    """Parses what Anserini stores: a line of a JSON collection, or the text itself."""
    try:
        record = json.loads(raw)
    except ValueError:
        record = None
    if not isinstance(record, dict):
        return Document(doc_id, "", raw)
    text = next((record[name] for name in ("text", "contents", "body") if name in record), raw)
    # BEIR's flat indexes keep the title apart from `text`, but it is part of `contents`.
    title = record.get("title", "") if "text" in record else ""
    return Document(doc_id, str(title or ""), str(text or ""))
