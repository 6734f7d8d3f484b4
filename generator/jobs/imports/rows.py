"""Rows of `rankings` of imported lists, made and checked a whole shard at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rankgen.generator.shards.attempt_checks import AGAIN, check_planned
from rankgen.manifests.errors import IntegrityProblem
from rankgen.manifests.schema import RANKINGS
from rankgen.manifests.storage.column_digest import sha256_of_lists


def ranking_rows(lists: pa.Table) -> pa.Table:
    """Returns imported lists as rows of the table `rankings`.

    A list whose first stage is unknown is given the positions of its own order; no first-stage
    scores are known of any list, so they are 0.

    Args:
        lists: Rows with the columns `found_lists.FOUND`.
    """
    lists = lists.combine_chunks()
    count = lists.num_rows
    doc_ids = _array(lists["doc_ids"])
    positions = _positions(lists, doc_ids)
    zeros = pa.array(np.zeros(count, np.int64))
    scores = lists["scores"].cast(RANKINGS.field("teacher_scores").type)
    return pa.table(
        {
            "query_id": lists["query_id"],
            "doc_ids": doc_ids,
            "retrieval_positions": _listed(doc_ids, positions, pa.int32()),
            "retrieval_scores": _listed(doc_ids, np.zeros(len(positions)), pa.float64()),
            "status": pc.if_else(lists["is_whole"], "complete", "degraded"),
            "windows": zeros.cast(pa.int32()),
            "repaired_windows": zeros.cast(pa.int32()),
            "prompt_tokens": zeros,
            "output_tokens": zeros,
            "candidates_sha256": sha256_of_lists(_in_order(doc_ids, positions)),
            "teacher_scores": scores,
            "unranked": pa.nulls(count, RANKINGS.field("unranked").type),
            "chunks": pa.nulls(count, RANKINGS.field("chunks").type),
        },
        schema=RANKINGS,
    )


def import_counts(rankings: pa.Table) -> dict[str, int]:
    """Returns the totals of a shard: queries by status, documents, and lists with scores."""
    degraded = pc.sum(pc.equal(rankings["status"], "degraded")).as_py() or 0
    return {
        "queries_complete": rankings.num_rows - degraded,
        "queries_degraded": degraded,
        "documents": int(pc.sum(pc.list_value_length(rankings["doc_ids"])).as_py() or 0),
        "lists_with_scores": rankings.num_rows - rankings["teacher_scores"].null_count,
    }


def validate_imported(
    tables: Mapping[str, pa.Table], planned: Sequence[str], quarantined: Mapping[str, str]
) -> None:
    """Checks an attempt: each planned query once, no document twice in a list, and finite scores.

    The first stage's order is rebuilt from `retrieval_positions`; its digest must be the recorded
    one.

    Raises:
        IntegrityProblem: A check failed.
    """
    rows = tables["rankings"].combine_chunks()
    query_ids = rows["query_id"].to_pylist()
    check_planned(query_ids, planned, quarantined)
    doc_ids = _array(rows["doc_ids"])
    _check(query_ids, _repeats(doc_ids), "holds a document twice")
    lengths = pc.list_value_length(doc_ids).to_numpy()
    is_short = pc.list_value_length(rows["retrieval_positions"]).to_numpy() != lengths
    _check(query_ids, is_short, "has another number of positions than documents")
    positions = pc.list_flatten(rows["retrieval_positions"]).to_numpy()
    owner = pc.list_parent_indices(doc_ids).to_numpy()
    order = np.lexsort((positions, owner))
    wrong = np.zeros(len(query_ids), bool)
    wrong[owner[positions[order] != _counted(lengths)]] = True
    digests = sha256_of_lists(_in_order(doc_ids, positions))
    wrong |= np.array(digests, object) != np.array(rows["candidates_sha256"].to_pylist(), object)
    _check(query_ids, wrong, "is not a permutation of its candidates")
    _check_scores(query_ids, rows, lengths)


def _check_scores(query_ids: Sequence[str], rows: pa.Table, lengths: NDArray[np.generic]) -> None:
    column = _array(rows["teacher_scores"])
    is_scored = pc.is_valid(column).to_numpy(zero_copy_only=False)
    counts = pc.fill_null(pc.list_value_length(column), 0).to_numpy()
    _check(query_ids, is_scored & (counts != lengths), "has another number of scores")
    values = pc.list_flatten(column).to_numpy(zero_copy_only=False)
    wrong = np.zeros(len(query_ids), bool)
    wrong[pc.list_parent_indices(column).to_numpy()[~np.isfinite(values)]] = True
    _check(query_ids, wrong, "has a score that is not a number")


def _check(query_ids: Sequence[str], wrong: NDArray[np.bool_], fault: str) -> None:
    if wrong.any():
        query_id = query_ids[int(np.flatnonzero(wrong)[0])]
        raise IntegrityProblem(f"the ranking of query {query_id} {fault}", AGAIN)


def _repeats(doc_ids: pa.ListArray) -> NDArray[np.bool_]:
    """Tells of each list whether it holds a document twice."""
    coded = pc.list_flatten(doc_ids).dictionary_encode()
    owner = pc.list_parent_indices(doc_ids).to_numpy().astype(np.int64)
    pairs = owner * max(1, len(coded.dictionary)) + coded.indices.to_numpy()
    distinct = np.unique(pairs) // max(1, len(coded.dictionary))
    lengths = pc.list_value_length(doc_ids).to_numpy()
    found: NDArray[np.bool_] = np.bincount(distinct, minlength=len(doc_ids)) != lengths
    return found


def _positions(lists: pa.Table, doc_ids: pa.ListArray) -> NDArray[np.int64]:
    """Returns the 1-based first-stage position of every document, list after list."""
    lengths = pc.list_value_length(doc_ids).to_numpy()
    positions = _counted(lengths)
    column = lists["first_stage"]
    if column.null_count < len(column):
        ends = np.cumsum(lengths)
        stages = column.to_pylist()
        for end, length, listed, stage in zip(
            ends, lengths, doc_ids.to_pylist(), stages, strict=True
        ):
            if stage is not None:
                place = {doc_id: number for number, doc_id in enumerate(stage, start=1)}
                positions[end - length : end] = [place[doc_id] for doc_id in listed]
    return positions


def _in_order(doc_ids: pa.ListArray, positions: NDArray[np.generic]) -> pa.ListArray:
    """Returns the documents of each list in the order of their positions."""
    owner = pc.list_parent_indices(doc_ids).to_numpy()
    order = np.lexsort((positions, owner))
    values = pc.list_flatten(doc_ids)
    return _listed(doc_ids, values.take(pa.array(order)), pa.string())


def _counted(lengths: NDArray[np.generic]) -> NDArray[np.int64]:
    """Returns 1, 2, 3, ... for every list."""
    sizes = lengths.astype(np.int64)
    starts = np.cumsum(sizes) - sizes
    return np.arange(1, int(sizes.sum()) + 1) - np.repeat(starts, sizes)


def _listed(
    like: pa.ListArray, values: NDArray[np.generic] | pa.Array, kind: pa.DataType
) -> pa.ListArray:
    """Returns lists of the same lengths as others."""
    lengths = pc.list_value_length(like).to_numpy()
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.array(values, kind))


def _array(column: pa.ChunkedArray) -> pa.ListArray:
    combined = column.combine_chunks()
    return combined.chunk(0) if isinstance(combined, pa.ChunkedArray) else combined
