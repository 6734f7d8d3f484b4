"""The lists of a source on disk, each query once, in the order of the shards of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rankgen.manifests.errors import UsageError
from rankgen.manifests.forms.accounting import Tally
from rankgen.manifests.forms.collected.buckets import BUCKETS, Buckets
from rankgen.manifests.storage.string_pairs import place_of

# What becomes of a document that its list names again, and of a query that has a second list.
Duplicates = Literal["refuse", "drop"]
FOUND = pa.schema(
    [
        pa.field("query_id", pa.string(), nullable=False),
        pa.field("doc_ids", pa.list_(pa.string()), nullable=False),
        pa.field("scores", pa.list_(pa.float64())),
        pa.field("first_stage", pa.list_(pa.string())),
        pa.field("where", pa.string()),
        pa.field("is_whole", pa.bool_(), nullable=False),
    ]
)


class FoundLists:
    """Lists that are added in any order, and then read by the place of their query's id.

    Args:
        folder: An empty folder for them.
    """

    def __init__(self, folder: Path) -> None:
        self._buckets = Buckets(folder, FOUND)
        self._sizes = [0] * BUCKETS
        self._kept: tuple[int, pa.Table] = (-1, FOUND.empty_table())
        self._lengths: Counter[int] = Counter()

    def add(self, lists: pa.Table) -> None:
        """Adds lists with the columns `FOUND`."""
        self._buckets.add(lists)

    def settle(self, duplicates: Duplicates, tally: Tally) -> None:
        """Ends the adding: sorts the lists, and finds queries that have two.

        Raises:
            UsageError: A query has a second list, and `duplicates` says to refuse it.
        """
        self._buckets.close()
        for bucket in range(BUCKETS):
            lists = self._buckets.read(bucket)
            if lists.num_rows:
                self._write(bucket, _distinct(lists, duplicates, tally))

    def change(self, change: Callable[[pa.Table], pa.Table]) -> None:
        """Replaces the lists of each bucket by what `change` makes of them."""
        self._lengths.clear()
        for bucket in range(BUCKETS):
            if self._sizes[bucket]:
                self._write(bucket, change(self._buckets.read(bucket)))
        self._kept = (-1, FOUND.empty_table())

    def __len__(self) -> int:
        return sum(self._sizes)

    @property
    def documents(self) -> int:
        """The number of documents in all lists together."""
        return sum(length * times for length, times in self._lengths.items())

    def shorter_than(self, depth: int | None) -> int:
        """Returns the number of lists that are shorter than a depth, or than the longest list."""
        most = depth or max(self._lengths, default=0)
        return sum(times for length, times in self._lengths.items() if length < most)

    @property
    def first_stages(self) -> int:
        """The number of lists whose first stage is known."""
        return sum(len(t) - t["first_stage"].null_count for t in self.tables())

    def tables(self) -> Iterator[pa.Table]:
        """Yields all lists, some at a time."""
        for bucket in range(BUCKETS):
            if self._sizes[bucket]:
                yield self._buckets.read(bucket)

    def between(self, start: int, end: int) -> pa.Table:
        """Returns the lists at [start, end) in the order of their queries' `place_of`."""
        parts, begin = [FOUND.empty_table()], 0
        for bucket, size in enumerate(self._sizes):
            low, high = max(0, start - begin), min(size, end - begin)
            if low < high:
                parts.append(self._read(bucket).slice(low, high - low))
            begin += size
        return pa.concat_tables(parts)

    def _read(self, bucket: int) -> pa.Table:
        """Reads a bucket; it is kept, as consecutive shards need it."""
        if self._kept[0] != bucket:
            self._kept = bucket, self._buckets.read(bucket)
        return self._kept[1]

    def _write(self, bucket: int, lists: pa.Table) -> None:
        self._buckets.replace(bucket, lists)
        self._sizes[bucket] = lists.num_rows
        self._lengths.update(pc.list_value_length(lists["doc_ids"]).to_pylist())


def _distinct(lists: pa.Table, duplicates: Duplicates, tally: Tally) -> pa.Table:
    """Returns the lists by the place of their queries, the first one of each query."""
    query_ids = lists["query_id"].to_pylist()
    first: dict[str, int] = {}
    for row, query_id in enumerate(query_ids):
        before = first.setdefault(query_id, row)
        if before != row:
            if duplicates == "refuse":
                where, earlier = (lists["where"][at].as_py() for at in (row, before))
                raise UsageError(
                    f"{where}: query {query_id} has a second list (the first is in {earlier})",
                    "remove one of the two, or keep the first with --duplicates drop",
                )
            tally.lose("duplicate_rows")
    in_order = sorted(first, key=place_of)
    return lists.take(pa.array([first[query_id] for query_id in in_order], pa.int64()))


def tied_scores(lists: pa.Table) -> int:
    """Returns how many documents share their score with another of their list, in 32 bits."""
    scored = lists.filter(pc.is_valid(lists["scores"]))["scores"].combine_chunks()
    owner = pc.list_parent_indices(scored).to_numpy().astype(np.uint64)
    # Adding zero makes one zero of both.
    narrow = pc.list_flatten(scored).to_numpy().astype(np.float32) + np.float32(0)
    pairs = owner << np.uint64(32) | narrow.view(np.uint32).astype(np.uint64)
    _, times = np.unique(pairs, return_counts=True)
    return int(times[times > 1].sum())
