"""The field's own nouns as small immutable records: queries, documents, candidates."""

from __future__ import annotations

from typing import NamedTuple

from rankgen.manifests.storage.digest import sha256_of_lines


class Query(NamedTuple):
    """A query as the collection writes it."""

    query_id: str
    text: str


class Document(NamedTuple):
    """A document or passage; `title` is empty where the collection has none."""

    doc_id: str
    title: str
    text: str

    @property
    def contents(self) -> str:
        """Title and text as one string, the form that is indexed and shown to students."""
        return f"{self.title} {self.text}" if self.title else self.text


class Candidates(NamedTuple):
    """The candidates of one query, as a first stage or a re-ranker ordered them.

    Attributes:
        doc_ids: Best first; rank is position + 1; no id twice.
        scores: Scores of whatever ordered them, aligned with `doc_ids`, higher is better.
    """

    query_id: str
    doc_ids: tuple[str, ...]
    scores: tuple[float, ...]

    def cut(self, depth: int | None) -> Candidates:
        """Returns the first `depth` candidates; all of them for None."""
        return Candidates(self.query_id, self.doc_ids[:depth], self.scores[:depth])

    def digest(self) -> str:
        """Returns the SHA-256 of the document ids in their order."""
        return sha256_of_lines(self.doc_ids)
