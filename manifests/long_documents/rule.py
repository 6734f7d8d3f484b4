"""How a long document is cut into chunks, and how their scores become the document's.

Words, not tokens, are counted: a teacher, its server and every student have tokenizers of their
own, and all of them must see the same chunks. Source of the aggregations: FirstP and MaxP of Dai
and Callan, arXiv 1905.09217.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

from rankgen.manifests.long_documents.words import word_starts
from rankgen.manifests.records import Document

# Which score counts: that of the first chunk, the highest, or the mean.
Counts = Literal["first", "max", "mean"]
NAMES = ("long_documents", "chunk_words", "chunk_overlap", "most_chunks")
# 160 English words are about 210 tokens of a BERT, which leaves room for a title.
CHUNK_WORDS, MOST_CHUNKS = 160, 16
# A title with more than this share of a chunk's words is read as the beginning of the text.
_TITLE_SHARE = 0.25


class Reading(NamedTuple):
    """What is read of a document.

    Attributes:
        chunks: At least one; each has the document's id and title.
        is_whole: Whether nothing follows the last one.
    """

    chunks: tuple[Document, ...]
    is_whole: bool


@dataclass(frozen=True)
class ChunkRule:
    """What is read of a long document.

    Attributes:
        counts: Which score is the document's.
        words: Words of a chunk, at least 1; the last one may have fewer.
        overlap: Words that a chunk shares with the one before it, fewer than `words`.
        most: Chunks that are read, from the beginning; what follows them is not.
    """

    counts: Counts
    words: int
    overlap: int
    most: int

    @property
    def read(self) -> int:
        """The most chunks of a document that a student scores."""
        return 1 if self.counts == "first" else self.most

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Returns where each chunk begins and ends, in characters.

        Chunk n begins with word n * (words - overlap), the first one with the text. It ends where
        the word after its last one begins, or with the text. So every character is in a chunk,
        unless the text goes on after the last chunk that is read.
        """
        step = self.words - self.overlap
        # One word more tells whether the text goes on.
        needed = (self.read - 1) * step + self.words + 1
        starts = list(itertools.islice(word_starts(text), needed))
        spans = []
        for number in range(self.read):
            begin = starts[number * step] if number else 0
            after = number * step + self.words
            if after >= len(starts):
                spans.append((begin, len(text)))
                break
            spans.append((begin, starts[after]))
        return spans

    def read_of(self, document: Document) -> Reading:
        """Returns what is read of a document; one of a single chunk is that chunk as it is."""
        title, text = document.title, document.text
        if _has_more_words(title, self.words * _TITLE_SHARE):
            title, text = "", document.contents
        spans = self.spans(text)
        if spans == [(0, len(text))]:
            return Reading((document,), is_whole=True)
        parts = (text[begin:end].strip() for begin, end in spans)
        chunks = tuple(Document(document.doc_id, title, part) for part in parts)
        return Reading(chunks, is_whole=spans[-1][1] == len(text))

    def as_values(self) -> dict[str, str | int]:
        """Returns the rule as recipes and configurations record it."""
        return dict(zip(NAMES, (self.counts, self.words, self.overlap, self.most), strict=True))

    def in_words(self) -> str:
        """Returns the rule as the end of a sentence about a document."""
        size = f"{self.words} words"
        if self.counts == "first":
            return f"its first {size}"
        which = "the best" if self.counts == "max" else "the mean"
        return f"{which} of at most {self.most} chunks of {size}, {self.overlap} of them shared"


def rule_of(values: Mapping[str, object]) -> ChunkRule | None:
    """Returns the rule that `as_values` wrote among other values; None if there is none.

    Raises:
        ValueError: It is damaged.
    """
    counts = values.get(NAMES[0])
    if counts is None:
        return None
    words, overlap, most = (values.get(name) for name in NAMES[1:])
    if not (isinstance(words, int) and isinstance(overlap, int) and isinstance(most, int)):
        raise ValueError("a rule for long documents without its numbers")
    for known in get_args(Counts):
        if known == counts and 0 <= overlap < words and most > 0:
            return ChunkRule(known, words, overlap, most)
    raise ValueError("a rule for long documents that cuts nothing")


def told(rule: ChunkRule | None) -> str:
    """Returns a rule, or that there is none, as the end of a sentence about a document."""
    return "its beginning alone" if rule is None else rule.in_words()


def _has_more_words(text: str, most: float) -> bool:
    return sum(1 for _ in itertools.islice(word_starts(text), int(most) + 1)) > most
