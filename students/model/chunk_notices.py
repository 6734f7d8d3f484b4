"""Says once what a student does not read of documents that it reads in chunks."""

from __future__ import annotations

from rankgen.manifests.long_documents.rule import ChunkRule
from rankgen.manifests.notices import warn


def tell_of_losses(rule: ChunkRule | None, unread: int, longest: int, most_tokens: int) -> None:
    """Warns of documents that go on after the last chunk, and of chunks that may be cut.

    Args:
        rule: How documents are read; without one nothing is said.
        unread: Documents that go on after the last chunk that is read.
        longest: Tokens of the longest chunk, cut.
        most_tokens: Tokens after which a chunk is cut.
    """
    if rule is None:
        return
    if unread and rule.counts != "first":
        warn(
            f"some documents go on after the {rule.most} chunks that are read of each; "
            "raise --most-chunks to read on"
        )
    if longest >= most_tokens:
        warn(
            f"some chunks of {rule.words} words fill the {most_tokens} tokens that the student "
            "reads, so that their ends may be cut; lower --chunk-words"
        )
