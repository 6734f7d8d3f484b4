"""The options of the rule for long documents."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import NonNegativeInt, PositiveInt, model_validator

from rankgen.manifests.long_documents.rule import CHUNK_WORDS, MOST_CHUNKS, NAMES, ChunkRule
from rankgen.manifests.options import Option, Settings


class LongDocumentSettings(Settings):
    """How documents that are longer than a passage are read."""

    panel = "Long documents"
    long_documents: Annotated[
        Literal["cut", "first", "max", "mean"] | None,
        Option(
            "How to read a document that is longer than a chunk: cut it to one passage, read its "
            "first chunk, or read overlapping chunks and let the best (max) or their mean count. A "
            "teacher is shown one chunk: the first, or the one with most words of the query.",
            "cut; for a trained student as it was trained",
        ),
    ] = None
    chunk_words: Annotated[
        PositiveInt | None,
        Option("Words of a chunk; it should fit into a student's --passage-tokens.", "160"),
    ] = None
    chunk_overlap: Annotated[
        NonNegativeInt | None,
        Option("Words that a chunk shares with the one before it.", "a quarter of a chunk"),
    ] = None
    most_chunks: Annotated[
        PositiveInt | None,
        Option("Chunks to read of a document; what follows them is not read.", "16"),
    ] = None

    @model_validator(mode="after")
    def _chunks_are_possible(self) -> Self:
        given = [name for name in NAMES[1:] if getattr(self, name) is not None]
        if given and self.long_documents in (None, "cut"):
            raise ValueError(f"{given[0]} is for chunks: add --long-documents max")
        rule = self.chunk_rule
        if rule is not None and rule.overlap >= rule.words:
            raise ValueError(
                f"chunks of {rule.words} words cannot share {rule.overlap} of them: lower "
                "--chunk-overlap"
            )
        return self

    @property
    def chunk_rule(self) -> ChunkRule | None:
        """The rule, with its defaults; None if documents are cut, or nothing is asked for."""
        if self.long_documents is None or self.long_documents == "cut":
            return None
        words = self.chunk_words or CHUNK_WORDS
        overlap = words // 4 if self.chunk_overlap is None else self.chunk_overlap
        return ChunkRule(self.long_documents, words, overlap, self.most_chunks or MOST_CHUNKS)

    def chunk_values(self) -> dict[str, str | int]:
        """Returns what recipes record of the rule: nothing without one."""
        return {} if self.chunk_rule is None else self.chunk_rule.as_values()
