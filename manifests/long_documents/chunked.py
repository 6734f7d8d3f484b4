"""Chunks as a student takes them: texts with keys of their own, and the keys of each document."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from rankgen.manifests.long_documents.rule import ChunkRule
from rankgen.manifests.records import Document


@dataclass(frozen=True)
class ChunkedTexts:
    """The chunks of documents.

    Attributes:
        texts: "title text" of a chunk by its key.
        keys: The keys of a document's chunks, in order, by document id.
        unread: Documents that go on after the last chunk that is read.
    """

    texts: Mapping[str, str]
    keys: Mapping[str, tuple[str, ...]]
    unread: int = 0


def chunked(
    rule: ChunkRule | None,
    documents: Mapping[str, str],
    titles: Mapping[str, str],
    wanted: Iterable[str] | None = None,
) -> ChunkedTexts:
    """Cuts documents into chunks.

    Args:
        rule: How; None leaves each document whole, under its own id.
        documents: "title text" by document id.
        titles: Title by document id, where there is one.
        wanted: The only documents that are cut; None for all.
    """
    ids = list(dict.fromkeys(documents if wanted is None else wanted))
    if rule is None:
        return ChunkedTexts(documents, {doc_id: (doc_id,) for doc_id in ids})
    texts: dict[str, str] = {}
    keys: dict[str, tuple[str, ...]] = {}
    unread = 0
    for doc_id in ids:
        whole = document_of(doc_id, documents[doc_id], titles.get(doc_id, ""))
        chunks, is_whole = rule.read_of(whole)
        # No two documents can have the same key: an id follows the first space.
        keys[doc_id] = tuple(f"{number} {doc_id}" for number in range(len(chunks)))
        texts.update(zip(keys[doc_id], (chunk.contents for chunk in chunks), strict=True))
        unread += not is_whole
    return ChunkedTexts(texts, keys, unread)


def document_of(doc_id: str, contents: str, title: str) -> Document:
    """Returns the document whose contents, "title text", are known, and its title."""
    return Document(doc_id, title, contents[len(title) + 1 :] if title else contents)
