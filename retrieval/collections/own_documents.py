"""Queries that are themselves documents of the collection, as in ArguAna, Quora and SciDocs.

BEIR's evaluation leaves out a hit whose id is the query's, which would also take an unrelated
document from collections that number queries and documents alike.
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
    """What a collection says of its queries' own documents.

    Attributes:
        left_out: Queries out of whose lists the document of the same id is left.
        others: Queries that share an id with a document of another text, which stays; without
            those whose id is a number, for many collections number queries and documents alike.
    """

    left_out: frozenset[str]
    others: frozenset[str]


def find_own_documents(
    rule: OwnDocument, collection: Collection, queries: QueryTable
) -> OwnDocuments:
    """Finds the queries whose lists would hold the query itself.

    Args:
        rule: "auto" asks for the same id and the same text (see `is_query_itself`), "drop" for the
            same id alone, "keep" leaves nothing out.
        collection: Where the documents are; "auto" reads all of them once.
        queries: The queries that are asked.

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
    """Returns the list without the document of the query's id, cut to the depth."""
    kept = [place for place, doc_id in enumerate(found.doc_ids) if doc_id != found.query_id]
    return Candidates(
        found.query_id,
        tuple(found.doc_ids[place] for place in kept),
        tuple(found.scores[place] for place in kept),
    ).cut(depth)
