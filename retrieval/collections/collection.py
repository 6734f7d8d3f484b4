"""A collection: documents and queries, streamed and checked, known by their digests."""

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
    """Where documents come from."""

    def documents(self) -> Iterator[tuple[str, Document]]:
        """Yields (where it stands, document) in the source's own order, the same each time."""


@runtime_checkable
class LookedUp(Protocol):
    """A source that knows its digest without a pass and finds documents by id."""

    def digest(self) -> str:
        """Returns what changes when any document does, as 64 hexadecimal digits."""

    def chosen(self, doc_ids: Iterable[str]) -> Iterator[Document]:
        """Yields the documents with these ids, as far as it has them."""


class QuerySource(Protocol):
    """Where queries come from."""

    def queries(self) -> Iterator[tuple[str, Query]]:
        """Yields (where it stands, query) in the source's own order, the same each time."""


class CorpusSummary(NamedTuple):
    """What one pass over the documents tells.

    Attributes:
        digest: SHA-256 over id, title and text of every document in order.
        documents: The number of documents.
        empty_documents: How many of them have neither title nor text.
    """

    digest: str
    documents: int
    empty_documents: int


class Collection:
    """Documents and queries of one collection; each pass streams them anew.

    Args:
        name: The collection's name in reports, such as "scifact".
        corpus: Where its documents come from.
        topics: Where its queries come from.
        judgements: Reads its relevance judgements; None where it has none.
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
        """Yields every document in order, never holding more than one of them.

        Raises:
            UsageError: A document cannot be read, has no usable id or one that another has (told
                at the end of the pass), or there is no document at all.
        """
        return distinct_ids(self._located_documents, "document", self.name)

    def queries(self) -> Iterator[Query]:
        """Yields every query in order.

        Raises:
            UsageError: A query cannot be read, has no text, no usable id or one that another has,
                or there is no query at all.
        """
        return distinct_ids(self._located_queries, "query", self.name)

    def qrels(self) -> Qrels | None:
        """Returns the judgements that belong to the queries, or None where there are none.

        Raises:
            UsageError: They cannot be read.
        """
        return None if self._judgements is None else self._judgements()

    def summary(self, look: Callable[[Document], object] | None = None) -> CorpusSummary:
        """Reads all documents once and returns their digest and counts; kept for later calls.

        Args:
            look: Is shown every document where the documents are read in this call.

        Raises:
            UsageError: See `documents`.
        """
        if self._summary is None:
            count = _Count()
            with progress(f"read {self.name}", None) as shown:

                def lines() -> Iterator[str]:
                    for document in self.documents():
                        count.add(document)
                        if look is not None:
                            look(document)
                        shown.advance()
                        yield from document

                digest = sha256_of_lines(lines())
            self._summary = CorpusSummary(digest, count.documents, count.empty)
        return self._summary

    def digest(self) -> str:
        """Returns the SHA-256 of the ordered documents, as 64 hexadecimal digits."""
        return (
            self._corpus.digest() if isinstance(self._corpus, LookedUp) else self.summary().digest
        )

    @property
    def is_looked_up(self) -> bool:
        """Whether documents are found by id, in an index that holds them."""
        return isinstance(self._corpus, LookedUp)

    def look_at(self, look: Callable[[Document], object], doc_ids: Iterable[str]) -> None:
        """Shows the documents with these ids, and maybe others, in the pass that `summary` makes.

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
        """Yields the documents with these ids, as far as there are any.

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
                    f"{where}: query {query.query_id} has no text", "remove the query or write it"
                )
            yield where, query.query_id, query


class _Count:
    def __init__(self) -> None:
        self.documents = self.empty = 0

    def add(self, document: Document) -> None:
        self.documents += 1
        self.empty += not document.contents.strip()


def _check_id(where: str, kind: str, value: str) -> None:
    if not value:
        raise UsageError(f"{where}: the {kind} has an empty id", f"give every {kind} an id")
    if len(value.split()) != 1 or value != value.strip():
        raise UsageError(
            f"{where}: the {kind} id {value!r} holds white space, which a TREC run cannot express",
            "replace it, for example by '_'",
        )
