"""What reading a public form found and lost, in numbers."""

from __future__ import annotations

from collections import Counter
from typing import Literal, get_args

from pydantic import BaseModel

Loss = Literal[
    "dropped_rows",
    "duplicate_rows",
    "missing_texts",
    "tied_rows",
    "padded_passages",
    "unranked_passages",
    "unknown_passages",
    "short_lists",
    "query_ids_from_texts",
    "doc_ids_from_texts",
    "other_texts",
    "scores_from_sides",
    "own_documents",
]


class Losses(BaseModel, frozen=True, extra="forbid"):
    """What was read, and what was left out, undecided or made up.

    Attributes:
        rows: Rows of the source: scored documents, lists or prompts.
        dropped_rows: Rows or listed documents that were left out: those that the form cannot rank,
            those below the depth, and with --missing drop those without a text.
        duplicate_rows: Rows or listed documents that name a document of their list again.
        missing_texts: Documents that lists name and the collection lacks.
        tied_rows: Documents that share their score with another of their list, in 32 bits.
        padded_passages: Passages that only fill a list up, and were left out.
        unranked_passages: Passages that a teacher's answer leaves out; they follow the others.
        unknown_passages: Ids in an answer that no passage has.
        short_lists: Lists with fewer documents than the depth, or than the longest list.
        query_ids_from_texts: Rows whose query has no id in the source; a digest of its text is one.
        doc_ids_from_texts: Rows or listed documents whose document has none likewise.
        other_texts: Texts that stand under an id that has another text too; one of them is kept.
        scores_from_sides: Documents whose score is 1 or 0, because the source says only whether
            they are positive.
        own_documents: Documents that were left out because they are the query itself.
    """

    rows: int = 0
    dropped_rows: int = 0
    duplicate_rows: int = 0
    missing_texts: int = 0
    tied_rows: int = 0
    padded_passages: int = 0
    unranked_passages: int = 0
    unknown_passages: int = 0
    short_lists: int = 0
    query_ids_from_texts: int = 0
    doc_ids_from_texts: int = 0
    scores_from_sides: int = 0
    other_texts: int = 0
    own_documents: int = 0


class Tally:
    """Counts `Losses` while a form is read."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def read(self, rows: int = 1) -> None:
        """Counts rows that were read."""
        self._counts["rows"] += rows

    def lose(self, loss: Loss, times: int = 1) -> None:
        """Counts a loss."""
        self._counts[loss] += times

    def losses(self) -> Losses:
        """Returns the counts."""
        return Losses(**self._counts)


def told(losses: Losses) -> str:
    """Returns the counts in words, those of zero left out."""
    named = ((name, getattr(losses, name)) for name in ("rows", *get_args(Loss)))
    return ", ".join(f"{name.replace('_', ' ')} {n:,}" for name, n in named if n or name == "rows")
