"""Makes lists of the scored rows of queries: ordered, freed of duplicates, and cut to a depth."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rankgen.manifests.errors import UsageError
from rankgen.manifests.forms.accounting import Tally
from rankgen.manifests.forms.collected.found_lists import FOUND, Duplicates

Order = Literal["score", "rank"]
Ties = Literal["doc-id", "source"]


class OrderRule(NamedTuple):
    """How the rows of a query become a list.

    Attributes:
        order: "score" puts the highest score first, "rank" the lowest rank; equal ranks stay in
            the source's order.
        ties: Of equal scores, "source" keeps the source's order; "doc-id" compares in 32 bits and
            puts the larger document id first, as trec_eval does.
        depth: Keep the best documents of a list; None keeps all.
    """

    order: Order = "score"
    ties: Ties = "source"
    depth: int | None = None


def gathered(rows: pa.Table, rule: OrderRule, duplicates: Duplicates, tally: Tally) -> pa.Table:
    """Returns the lists of rows that hold whole queries.

    Args:
        rows: Rows with the columns `shape.SCORED_ROWS`, in the source's order.
        rule: How they are ordered.
        duplicates: Of rows that repeat a document of their query, "drop" keeps the first in the
            order.
        tally: Counts those rows, and the rows below the depth.

    Returns:
        Rows with the columns `found_lists.FOUND`, in no particular order.

    Raises:
        UsageError: A query has a document twice, and `duplicates` says to refuse that.
    """
    queries = rows["query_id"].combine_chunks().dictionary_encode()
    documents = rows["doc_id"].combine_chunks()
    of_query = queries.indices.to_numpy().astype(np.int64)
    order = _ordered(rows, of_query, documents, rule)
    kept = _without_repeats(order, of_query, documents)
    if duplicates == "refuse" and len(kept) < len(order):
        raise _repeated(rows, order, kept)
    tally.lose("duplicate_rows", len(order) - len(kept))
    ends = np.cumsum(np.bincount(of_query[kept], minlength=len(queries.dictionary)))
    if rule.depth is not None:
        starts = np.concatenate([[0], ends[:-1]])
        within = np.arange(len(kept)) - starts[of_query[kept]] < rule.depth
        tally.lose("dropped_rows", int(len(kept) - within.sum()))
        kept = kept[within]
        ends = np.cumsum(np.bincount(of_query[kept], minlength=len(queries.dictionary)))
    offsets = pa.array(np.concatenate([[0], ends]), pa.int32())
    taken = pa.array(kept)
    count = len(queries.dictionary)
    return pa.table(
        {
            "query_id": queries.dictionary,
            "doc_ids": pa.ListArray.from_arrays(offsets, documents.take(taken)),
            "scores": pa.ListArray.from_arrays(offsets, rows["score"].combine_chunks().take(taken)),
            "first_stage": pa.nulls(count, FOUND.field("first_stage").type),
            "where": pa.nulls(count, pa.string()),
            "is_whole": pa.array(np.ones(count, bool)),
        },
        schema=FOUND,
    )


def _ordered(
    rows: pa.Table, of_query: NDArray[np.int64], documents: pa.Array, rule: OrderRule
) -> NDArray[np.int64]:
    """Returns the places of the rows, query by query, best first."""
    if rule.order == "rank":
        return _sorted_by(rows["rank"].to_numpy(), of_query)
    scores = rows["score"].to_numpy()
    if rule.ties == "source":
        return _sorted_by(-scores, of_query)
    narrow = scores.astype(np.float32)
    order = _sorted_by(-narrow, of_query)
    sorted_scores, sorted_queries = narrow[order], of_query[order]
    is_tied = (np.diff(sorted_scores) == 0) & (np.diff(sorted_queries) == 0)
    if not is_tied.any():
        return order
    descending = pc.array_sort_indices(documents, order="descending").to_numpy()
    place = np.empty(len(descending), np.int64)
    place[descending] = np.arange(len(descending))
    return _sorted_by(place, -narrow, of_query)


def _sorted_by(*keys: NDArray[np.generic]) -> NDArray[np.int64]:
    """Returns places sorted by the last key, then by the one before; equals keep their order."""
    order: NDArray[np.int64] = np.lexsort(keys)
    return order


def _without_repeats(
    order: NDArray[np.int64], of_query: NDArray[np.int64], documents: pa.Array
) -> NDArray[np.int64]:
    """Returns the places without those whose query has the same document before them."""
    coded = documents.dictionary_encode()
    pairs = of_query * len(coded.dictionary) + coded.indices.to_numpy()
    _, first = np.unique(pairs[order], return_index=True)
    return order if len(first) == len(order) else order[np.sort(first)]


def _repeated(rows: pa.Table, order: NDArray[np.int64], kept: NDArray[np.int64]) -> UsageError:
    row = int(np.setdiff1d(order, kept)[0])
    query_id, doc_id = rows["query_id"][row].as_py(), rows["doc_id"][row].as_py()
    return UsageError(
        f"row {rows['place'][row].as_py() + 1} of the source: query {query_id} lists document "
        f"{doc_id} twice",
        "remove one of the two, or keep the better one with --duplicates drop",
    )
