"""The field's own nouns as small immutable records: queries, documents, candidates."""

from __future__ import annotations

from typing import NamedTuple


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
    """What a first stage returns for one query.

    Attributes:
        query_id: The query's id.
        doc_ids: Best first; rank is position + 1; no id twice.
        scores: The first stage's scores, aligned with `doc_ids`, higher is better.
    """

    query_id: str
    doc_ids: tuple[str, ...]
    scores: tuple[float, ...]
