"""Queries that are themselves documents of the collection, as in ArguAna, Quora and SciDocs.

BEIR's evaluation drops a hit that has the query's id. In collections that number queries and
documents from the same start, this would also drop an unrelated document.
Source: github.com/beir-cellar/beir, retrieval/evaluation.py (`ignore_identical_ids`).
"""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

from rankgen.manifests.options import Option
from rankgen.manifests.records import Candidates, Document
from rankgen.manifests.run.query_table import QueryTable
from rankgen.retrieval.collections.collection import Collection
from rankgen.retrieval.collections.same_text import is_query_itself

OwnDocument = Literal["auto", "drop", "keep"]
OwnDocumentOption = Annotated[
    OwnDocument,
    Option(
        "A document that is the query itself, as in ArguAna: auto leaves it out (same id and "
        "text), drop leaves out any document of the query's id, keep leaves it in."
    ),
]


class OwnDocuments(NamedTuple):
    """The queries of a collection that share an id with a document.

    Attributes:
        left_out: Queries whose own document is dropped from their lists.
        others: Queries that share an id with a document of another text, which stays. Numeric ids
            are not listed, as many collections number queries and documents from the same start.
    """

    left_out: frozenset[str]
    others: frozenset[str]


def find_own_documents(
    rule: OwnDocument, collection: Collection, queries: QueryTable
) -> OwnDocuments:
    """Finds the queries whose lists would contain the query itself.

    Args:
        rule: "auto" drops a document with the query's id and text (see `is_query_itself`), "drop"
            one with the query's id, "keep" none.
        collection: The documents; "auto" reads all of them once.
        queries: The queries to retrieve for.

    Raises:
        UsageError: The documents cannot be read.
    """
    if rule != "auto":
        every = (query.query_id for query in queries)
        return OwnDocuments(frozenset(every if rule == "drop" else ()), frozenset())
    same: set[str] = set()
    others: set[str] = set()

    def look(document: Document) -> None:
        query = queries.find(document.doc_id)
        if query is None:
            return
        if is_query_itself(query, document):
            same.add(query.query_id)
        elif not query.query_id.isdigit():
            others.add(query.query_id)

    collection.look_at(look, (query.query_id for query in queries))
    return OwnDocuments(frozenset(same), frozenset(others))


def without_own(found: Candidates, depth: int) -> Candidates:
    """Returns the list without the document that has the query's id, cut to the depth."""
    kept = [place for place, doc_id in enumerate(found.doc_ids) if doc_id != found.query_id]
    return Candidates(
        found.query_id,
        tuple(found.doc_ids[place] for place in kept),
        tuple(found.scores[place] for place in kept),
    ).cut(depth)
