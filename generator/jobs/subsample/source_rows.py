"""Rows of the run that a subsample is cut out of, or a mix made of, by query."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from rankgen.generator.jobs.subsample.projection import Row
from rankgen.manifests.run.candidate_lists import ShardFinder
from rankgen.manifests.run.run_directory import RunDirectory, read_shard


class SourceRows:
    """Rows of a run by query id; the shards read last are kept, as neighbours need them again."""

    def __init__(self, run: RunDirectory, table: str) -> None:
        self._run, self._table = run, table
        self._read = lru_cache(maxsize=4)(lambda path: read_shard(path, table))

    def of(self, query_ids: Sequence[str]) -> dict[str, list[Row]]:
        """Returns query id -> its rows, in the order of the file."""
        wanted: dict[Path, list[str]] = {}
        for query_id in query_ids:
            path = self._shards.path_of(query_id)
            if path is not None:
                wanted.setdefault(path, []).append(query_id)
        found: dict[str, list[Row]] = {query_id: [] for query_id in query_ids}
        for path, own in wanted.items():
            shard: pa.Table = self._read(path)
            is_own = pc.is_in(shard["query_id"], value_set=pa.array(own, pa.string()))
            rows: list[dict[str, Any]] = shard.filter(is_own).to_pylist()
            for row in rows:
                found[row["query_id"]].append(row)
        return found

    @cached_property
    def _shards(self) -> ShardFinder:
        return ShardFinder(self._run, self._table)
