"""A collection: documents and queries, streamed, checked and identified by digests."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from collections.abc import Set as AbstractSet
from typing import NamedTuple, Protocol, runtime_checkable

from rankgen.manifests.errors import UsageError
from rankgen.manifests.progress import progress
from rankgen.manifests.records import Document, Query
from rankgen.manifests.storage.digest import sha256_of_lines
from rankgen.manifests.trec import Qrels
from rankgen.retrieval.collections.distinct_ids import distinct_ids


class DocumentSource(Protocol):
    """A source of documents."""

    def documents(self) -> Iterator[tuple[str, Document]]:
        """Yields (location, document) in the source's own order, the same each time."""


@runtime_checkable
class LookedUp(Protocol):
    """A source that has a digest without reading all documents and finds documents by id."""

    def digest(self) -> str:
        """Returns 64 hexadecimal digits that change when any document changes."""

    def chosen(self, doc_ids: Iterable[str]) -> Iterator[Document]:
        """Yields the documents with these ids; unknown ids are skipped."""


class QuerySource(Protocol):
    """A source of queries."""

    def queries(self) -> Iterator[tuple[str, Query]]:
        """Yields (location, query) in the source's own order, the same each time."""


class CorpusSummary(NamedTuple):
    """The result of one pass over the documents.

    Attributes:
        digest: SHA-256 over id, title and text of every document in order.
        empty_documents: How many of the `documents` have neither title nor text.
    """

    digest: str
    documents: int
    empty_documents: int


class Collection:
    """Documents, queries and perhaps judgements; every pass streams them again.

    Reports give the collection its name, such as "scifact".
    """

    def __init__(
        self,
        name: str,
        corpus: DocumentSource,
        topics: QuerySource,
        judgements: Callable[[], Qrels] | None = None,
    ) -> None:
        self.name = name
        self._corpus, self._topics = corpus, topics
        self._judgements = judgements
        self._summary: CorpusSummary | None = None

    def documents(self) -> Iterator[Document]:
        """Yields every document in order, holding one at a time.

        Raises:
            UsageError: A document cannot be read or has no usable id, two documents have the same
                id (reported at the end of the pass), or there are no documents.
        """
        return distinct_ids(self._located_documents, "document", self.name)

    def queries(self) -> Iterator[Query]:
        """Yields every query in order.

        Raises:
            UsageError: A query cannot be read or has no text or no usable id, two queries have the
                same id, or there are no queries.
        """
        return distinct_ids(self._located_queries, "query", self.name)

    def qrels(self) -> Qrels | None:
        """Returns the judgements of the queries, or None if there are none.

        Raises:
            UsageError: The judgements cannot be read.
        """
        return None if self._judgements is None else self._judgements()

    def summary(self, look: Callable[[Document], object] | None = None) -> CorpusSummary:
        """Returns the documents' digest and counts; only the first call reads the documents.

        Args:
            look: Called with every document if this call reads the documents.

        Raises:
            UsageError: See `documents`.
        """
        if self._summary is None:
            documents = empty = 0
            with progress(f"read {self.name}", None) as shown:

                def lines() -> Iterator[str]:
                    nonlocal documents, empty
                    for document in self.documents():
                        documents += 1
                        empty += not document.contents.strip()
                        if look is not None:
                            look(document)
                        shown.advance()
                        yield from document

                digest = sha256_of_lines(lines())
            self._summary = CorpusSummary(digest, documents, empty)
        return self._summary

    def digest(self) -> str:
        """Returns the SHA-256 of the ordered documents or of the index that stores them."""
        return (
            self._corpus.digest() if isinstance(self._corpus, LookedUp) else self.summary().digest
        )

    @property
    def is_looked_up(self) -> bool:
        """Whether documents are looked up by id, in an index that stores them."""
        return isinstance(self._corpus, LookedUp)

    def look_at(self, look: Callable[[Document], object], doc_ids: Iterable[str]) -> None:
        """Calls `look` with the documents with these ids, and perhaps with others.

        Where documents are not looked up by id, they are read in the pass that `summary` needs.

        Raises:
            UsageError: See `documents`.
        """
        if isinstance(self._corpus, LookedUp):
            documents = self._corpus.chosen(doc_ids)
        elif self._summary is None:
            self.summary(look)
            return
        else:
            documents = self.documents()
        for document in documents:
            look(document)

    def chosen(self, doc_ids: AbstractSet[str]) -> Iterator[Document]:
        """Yields the documents with these ids; unknown ids are skipped.

        Raises:
            UsageError: See `documents`.
        """
        if isinstance(self._corpus, LookedUp):
            return self._corpus.chosen(sorted(doc_ids))
        return (document for document in self.documents() if document.doc_id in doc_ids)

    def queries_digest(self) -> str:
        """Returns the SHA-256 of the ordered queries (id and text), as 64 hexadecimal digits."""
        return sha256_of_lines(part for query in self.queries() for part in query)

    def _located_documents(self) -> Iterator[tuple[str, str, Document]]:
        for where, document in self._corpus.documents():
            _check_id(where, "document", document.doc_id)
            yield where, document.doc_id, document

    def _located_queries(self) -> Iterator[tuple[str, str, Query]]:
        for where, query in self._topics.queries():
            _check_id(where, "query", query.query_id)
            if not query.text.strip():
                raise UsageError(
                    f"{where}: query {query.query_id} has no text", "write a text or remove it"
                )
            yield where, query.query_id, query


def _check_id(where: str, kind: str, value: str) -> None:
    if not value:
        raise UsageError(f"{where}: the {kind} has an empty id", f"give every {kind} an id")
    if len(value.split()) != 1 or value != value.strip():
        raise UsageError(
            f"{where}: the {kind} id {value!r} has white space, which TREC runs do not allow",
            "replace the white space, for example with '_'",
        )
