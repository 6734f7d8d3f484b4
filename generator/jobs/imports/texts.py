"""The texts of imported lists: from the source, beside it, or from a collection."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rankgen.manifests.errors import UsageError
from rankgen.manifests.forms.accounting import Tally
from rankgen.manifests.forms.collected.collecting import Collected, doc_ids_of, query_ids_of
from rankgen.manifests.forms.collected.found_lists import FOUND
from rankgen.manifests.forms.sources.beside import Beside, document_rows, query_rows
from rankgen.retrieval.collections.collection import Collection


class Missing(NamedTuple):
    """Ids that lists name and that have no text."""

    queries: frozenset[str]
    documents: frozenset[str]


def find_texts(found: Collected, beside: Beside, collection: Collection | None) -> Missing:
    """Adds the texts of files beside the rankings and of a collection, and says what lacks one.

    Where there are texts only in the rankings, each of them has one, unless a form leaves some out.
    The ids of all listed documents are held in memory if there is anything else.

    Raises:
        UsageError: A text cannot be read.
    """
    seeks_documents = bool(beside.documents) or collection is not None
    seeks_queries = bool(beside.queries) or collection is not None
    listed = doc_ids_of(found.lists) if seeks_documents or found.lacks_texts else set()
    for row in document_rows(beside.documents, listed):
        found.documents.add_one(*row)
    asked = frozenset(query_ids_of(found.lists)) if seeks_queries or found.queries.rows else set()
    for row in query_rows(beside.queries, asked):
        found.queries.add_one(*row)
    if collection is not None:
        for document in collection.chosen(listed):
            found.documents.add_one(*document)
        for query in collection.queries():
            if query.query_id in asked:
                found.queries.add_one(*query)
    found.queries.settle()
    found.documents.settle()
    # A form that leaves every document's text out has ids alone.
    is_partial = found.lacks_texts and found.documents.rows > 0
    if seeks_documents or is_partial:
        listed -= {row[0] for row in found.documents}
    else:
        listed = set()
    with_text = {query_id for query_id, text in found.queries if text.strip()}
    return Missing(frozenset(asked - with_text), frozenset(listed))


def refuse_missing(missing: Missing, told: str, where: str) -> None:
    """Checks that everything has a text.

    Args:
        missing: What has none.
        told: The source.
        where: Where the texts were looked for.

    Raises:
        UsageError: Something has none; the message names the first.
    """
    for kind, ids in (("documents", missing.documents), ("queries", missing.queries)):
        if ids:
            one = kind if len(ids) > 1 else {"documents": "document", "queries": "query"}[kind]
            raise UsageError(
                f"{len(ids):,} {one} of {told} {'have' if len(ids) > 1 else 'has'} no text in "
                f"{where} (first: {min(ids)})",
                "leave them out with --missing drop, or name the collection they come from",
            )


def drop_missing(lists: pa.Table, missing: Missing, tally: Tally) -> pa.Table:
    """Returns lists without the documents and queries that have no text, and without empty ones."""
    kept = lists.filter(_is_not_in(lists["query_id"], missing.queries))
    left = with_members(
        kept, lambda members: _is_not_in(pc.list_flatten(members), missing.documents)
    )
    before = pc.sum(pc.list_value_length(lists["doc_ids"])).as_py() or 0
    after = pc.sum(pc.list_value_length(left["doc_ids"])).as_py() or 0
    tally.lose("dropped_rows", before - after)
    return left


def with_members(lists: pa.Table, stays: Callable[[pa.ListArray], pa.Array]) -> pa.Table:
    """Returns lists with some of their documents, and without those that have none left.

    Args:
        lists: Rows with the columns `found_lists.FOUND`.
        stays: Given the documents of each list, says of each whether it stays.
    """
    columns = {name: lists[name] for name in FOUND.names}
    doc_ids, stage = _combined(lists["doc_ids"]), _combined(lists["first_stage"])
    kept = stays(doc_ids)
    columns["doc_ids"] = _filtered(doc_ids, kept)
    columns["scores"] = _filtered(_combined(lists["scores"]), _of_scored(lists, doc_ids, kept))
    columns["first_stage"] = _filtered(stage, stays(stage))
    left = pa.table(columns, schema=FOUND)
    return left.filter(pc.greater(pc.list_value_length(left["doc_ids"]), 0))


def _of_scored(lists: pa.Table, doc_ids: pa.ListArray, stays: pa.Array) -> pa.Array:
    """Returns those of the flags that belong to lists with scores."""
    is_scored = pc.is_valid(_combined(lists["scores"]))
    return stays.filter(is_scored.take(pc.list_parent_indices(doc_ids)))


def _filtered(lists: pa.ListArray, stays: pa.Array) -> pa.ListArray:
    """Returns lists with those of their members whose flag is set; null lists stay null."""
    owner = pc.list_parent_indices(lists).to_numpy()
    kept = stays.to_numpy(zero_copy_only=False)
    counts = np.bincount(owner[kept], minlength=len(lists))
    offsets = pa.array(np.concatenate([[0], np.cumsum(counts)]), pa.int32())
    return pa.ListArray.from_arrays(
        offsets, pc.list_flatten(lists).filter(stays), mask=pc.is_null(lists)
    )


def _is_not_in(column: pa.Array | pa.ChunkedArray, ids: AbstractSet[str]) -> pa.Array:
    found = pc.invert(pc.is_in(column, value_set=pa.array(sorted(ids), pa.string())))
    return found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found


def _combined(column: pa.ChunkedArray) -> pa.ListArray:
    return column.combine_chunks()
