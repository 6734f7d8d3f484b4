"""Candidate lists with the chunks of their documents, a bounded number of chunks at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from rankgen.manifests.long_documents.chunked import chunked
from rankgen.manifests.long_documents.rule import ChunkRule
from rankgen.manifests.records import Candidates
from rankgen.students.reranking.candidates import CandidateTexts

# At 256 tokens a chunk, about 20 MB of token ids.
CHUNKS_AT_ONCE = 20_000


@dataclass
class ChunkBatch:
    """Some lists, and what is read of their documents.

    Attributes:
        lists: Whole lists.
        named: (query id, key of a chunk) of all chunks of all documents, in the lists' order.
        texts: "title text" by the key of a chunk.
        sizes: Chunks of each document of each list.
        unread: Documents that go on after the last chunk that is read.
    """

    lists: list[Candidates] = field(default_factory=list)
    named: list[tuple[str, str]] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)
    sizes: list[int] = field(default_factory=list)
    unread: int = 0


def chunk_batches(
    rule: ChunkRule | None, texts: CandidateTexts, depth: int | None
) -> Iterator[ChunkBatch]:
    """Yields the lists; all of them at once if documents are not read in chunks.

    Args:
        rule: How documents are read.
        texts: The lists with the texts of their first `depth` documents.
        depth: Documents of a list that are read; None for all.
    """
    batch = ChunkBatch()
    for row in texts.candidates:
        wanted = row.doc_ids[:depth]
        read = chunked(rule, texts.documents, texts.titles, wanted)
        batch.lists.append(row)
        batch.named += [(row.query_id, key) for doc_id in wanted for key in read.keys[doc_id]]
        batch.sizes += [len(read.keys[doc_id]) for doc_id in wanted]
        batch.unread += read.unread
        if rule is None:
            continue
        batch.texts.update(read.texts)
        if len(batch.named) >= CHUNKS_AT_ONCE:
            yield batch
            batch = ChunkBatch()
    if rule is None:
        batch.texts = dict(texts.documents)
    if batch.lists:
        yield batch


def in_documents(
    advance: Callable[[int], object] | None, sizes: Sequence[int]
) -> Callable[[int], object] | None:
    """Returns what is told of scored chunks, and tells `advance` of as many documents."""
    if advance is None or len(sizes) == sum(sizes):
        return advance
    tell, chunks, done = advance, sum(sizes), 0

    def told(more: int) -> None:
        nonlocal done
        before, done = done, done + more
        tell(done * len(sizes) // chunks - before * len(sizes) // chunks)

    return told
