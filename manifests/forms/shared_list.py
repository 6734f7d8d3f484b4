"""A query's list as people share it, whatever the form: what readers give and writers take."""

from __future__ import annotations

from typing import NamedTuple

from rankgen.manifests.records import Document


class SharedList(NamedTuple):
    """One query with its ranked documents.

    Attributes:
        where: The file and the row it comes from, for messages; empty for a list of a run.
        query_id: Any text that is not empty.
        doc_ids: Best first; no id twice.
        scores: A finite number for each document, higher is better; None for an order alone.
        first_stage: The same ids in the order in which a first stage gave them; None where the
            form does not tell.
        query: The query's text; None where the form has ids alone.
        documents: Those of the list whose texts the form has, in any order.
        is_whole: False where a teacher's answer was repaired, so that the list is degraded.
    """

    where: str
    query_id: str
    doc_ids: tuple[str, ...]
    scores: tuple[float, ...] | None = None
    first_stage: tuple[str, ...] | None = None
    query: str | None = None
    documents: tuple[Document, ...] = ()
    is_whole: bool = True
