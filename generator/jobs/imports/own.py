"""Imported lists that hold the query itself as a document, as those of ArguAna and Quora do."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from functools import partial
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from rankgen.generator.jobs.imports.texts import with_members
from rankgen.manifests.errors import UsageError
from rankgen.manifests.forms.accounting import Tally
from rankgen.manifests.forms.collected.collecting import Collected
from rankgen.manifests.forms.collected.found_texts import documents_in, queries_in
from rankgen.retrieval.collections.own_documents import OwnDocument
from rankgen.retrieval.collections.same_text import is_query_itself


class OwnDocuments(NamedTuple):
    """The queries whose lists hold a document of their own id.

    Attributes:
        same: The document's text is the query's, too.
        other: It is another text.
        untold: One of the texts is not known.
    """

    same: frozenset[str]
    other: frozenset[str]
    untold: frozenset[str]

    @property
    def suspected(self) -> frozenset[str]:
        """Those of unknown texts whose ids would hardly be equal by chance, as numbers may be."""
        return frozenset(query_id for query_id in self.untold if not query_id.isdigit())


def find_own(held: Collected) -> OwnDocuments:
    """Finds the queries whose lists hold a document of their own id, and compares the texts."""
    own: set[str] = set()
    for table in held.lists.tables():
        lists = table["doc_ids"].combine_chunks()
        query_ids = table["query_id"].take(pc.list_parent_indices(lists))
        flat = pc.list_flatten(lists)
        own.update(flat.filter(pc.equal(flat, query_ids.combine_chunks())).to_pylist())
    if not own:
        return OwnDocuments(frozenset(), frozenset(), frozenset())
    asked = {query.query_id: query for query in queries_in(held.queries) if query.query_id in own}
    told = {one.doc_id: one for one in documents_in(held.documents) if one.doc_id in own}
    both = asked.keys() & told.keys()
    same = frozenset(one for one in both if is_query_itself(asked[one], told[one]))
    return OwnDocuments(same, frozenset(both) - same, frozenset(own) - both)


def leave_out(
    held: Collected, found: OwnDocuments, rule: OwnDocument, depth: int | None, tally: Tally
) -> None:
    """Drops documents of their query's id from the lists, and cuts these to the depth.

    Args:
        held: Lists that are one document deeper than the depth.
        found: Their own documents.
        rule: "auto" drops those of the query's text too, "drop" all of the query's id.
        depth: See `OrderRule.depth`.
        tally: Counts what is dropped.

    Raises:
        UsageError: "auto" lacks a text to compare, or nothing is left.
    """
    if rule == "auto" and found.untold:
        raise UsageError(
            f"--own-document auto compares texts, and query {min(found.untold)} or the document "
            "of its id has none",
            "name the collection with --collection, or leave out every document of its query's id "
            "with --own-document drop",
        )
    own = found.same if rule == "auto" else found.same | found.other | found.untold
    held.lists.change(partial(_without, own=own, depth=depth, tally=tally))
    if not len(held.lists):
        raise UsageError(
            "no list is left: each holds nothing but the query itself", "add --own-document keep"
        )


def _without(lists: pa.Table, own: AbstractSet[str], depth: int | None, tally: Tally) -> pa.Table:
    """Drops one document of each list at most: its own, or else the one below the depth."""
    rows = zip(lists["query_id"].to_pylist(), lists["doc_ids"].to_pylist(), strict=True)
    dropped: list[str | None] = []
    for query_id, doc_ids in rows:
        if query_id in own:
            dropped.append(query_id)
            tally.lose("own_documents")
        elif depth is not None and len(doc_ids) > depth:
            dropped.append(doc_ids[-1])
            tally.lose("dropped_rows")
        else:
            dropped.append(None)
    ids = pa.array(dropped, pa.string())

    def stays(members: pa.ListArray) -> pa.Array:
        of_list = ids.take(pc.list_parent_indices(members))
        return pc.fill_null(pc.not_equal(pc.list_flatten(members), of_list), True)

    return with_members(lists, stays)
