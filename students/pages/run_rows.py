"""The rows of single queries in a run's table, read shard by shard as they are asked for."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Any

import pyarrow as pa

from rankgen.manifests.run.candidate_lists import ShardFinder
from rankgen.manifests.run.run_directory import RunDirectory, read_shard

Row = dict[str, Any]
KEPT_SHARDS = 4


class RunRows:
    """A table of a run, by query id; a few shards are kept in memory.

    Queries that are asked for in the order of their shards cause one read of each shard.

    Args:
        run: The run.
        table: A table whose rows of one query are all in the same shard; it may be missing.
    """

    def __init__(self, run: RunDirectory, table: str) -> None:
        self._table = table
        self._finder = ShardFinder(run, table) if run.has_table(table) else None
        self._kept: OrderedDict[Path, _Shard] = OrderedDict()

    def of(self, query_id: str) -> list[Row]:
        """Returns the query's rows in the order they are stored; none for an unknown query.

        Raises:
            IntegrityProblem: The shard cannot be read.
        """
        path = None if self._finder is None else self._finder.path_of(query_id)
        return [] if path is None else self._shard(path).of(query_id)

    def _shard(self, path: Path) -> _Shard:
        shard = self._kept.pop(path, None)
        if shard is None:
            shard = _Shard(read_shard(path, self._table))
            while len(self._kept) >= KEPT_SHARDS:
                self._kept.popitem(last=False)
        self._kept[path] = shard
        return shard


class _Shard:
    def __init__(self, rows: pa.Table) -> None:
        self._rows = rows.combine_chunks()
        self._places: dict[str, list[int]] = {}
        for place, query_id in enumerate(rows["query_id"].to_pylist()):
            self._places.setdefault(query_id, []).append(place)

    def of(self, query_id: str) -> list[Row]:
        places = self._places.get(query_id, ())
        if not places:
            return []
        first, last = places[0], places[-1]
        # The rows of a query usually follow one another; a slice copies nothing.
        between = self._rows.slice(first, last - first + 1).to_pylist()
        return [between[place - first] for place in places]
