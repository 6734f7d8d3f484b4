"""Finds the candidates of a query in a run, reading only the shards that are needed."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from rankgen.manifests.errors import IntegrityProblem, UsageError
from rankgen.manifests.records import Candidates
from rankgen.manifests.run.candidate_rows import candidates_in
from rankgen.manifests.run.run_directory import RunDirectory, read_shard
from rankgen.manifests.storage.string_pairs import StringPairs, pairs_in, place_of


class CandidateLists:
    """The candidates of one run.

    Raises:
        UsageError: The run has no published candidates.
    """

    def __init__(self, run: RunDirectory) -> None:
        if not run.has_table("candidates"):
            raise run.lacks("candidates")
        self._run = run

    @classmethod
    def finished(cls, run: RunDirectory) -> CandidateLists:
        """Opens the candidates of a run that has its texts too.

        Raises:
            UsageError: The run has no candidates, or is not finished.
        """
        lists = cls(run)
        if not run.has_table("documents"):
            raise UsageError(
                f"{run.root} is not finished (it has no documents yet)",
                "repeat its `rankgen retrieve` command to resume it",
            )
        return lists

    def query_ids(self) -> Iterator[str]:
        """Yields all query ids, sorted."""
        return self._digests.keys()

    def query_ids_by_place(self) -> Iterator[str]:
        """Yields all query ids in the order in which the shards of a run hold them."""
        return (query_id for query_id, _ in self._digests.by_place())

    def digest(self) -> str:
        """Returns the digest of every list of every query, whatever the number of shards."""
        return self._digests.digest()

    def __len__(self) -> int:
        return len(self._digests)

    def __contains__(self, query_id: str) -> bool:
        return self._digests.find(query_id) is not None

    def of(self, query_ids: Iterable[str]) -> list[Candidates]:
        """Returns the candidates of queries, in the order of their ids.

        Raises:
            UsageError: A query has no candidates.
            IntegrityProblem: A list does not match its digest.
        """
        asked = list(query_ids)
        wanted: dict[Path, list[str]] = {}
        for query_id in asked:
            path = self._shards.path_of(query_id)
            if path is not None:
                wanted.setdefault(path, []).append(query_id)
        found = {row.query_id: row for path, ids in wanted.items() for row in _rows(path, ids)}
        lost = next((query_id for query_id in asked if query_id not in found), None)
        if lost is not None:
            raise UsageError(
                f"query {lost} has no candidates in {self._run.root}",
                "retrieve candidates for it, or leave it out",
            )
        return [found[query_id] for query_id in asked]

    @cached_property
    def _shards(self) -> ShardFinder:
        return ShardFinder(self._run)

    @cached_property
    def _digests(self) -> StringPairs:
        names = "query_id", "candidates_sha256"
        return StringPairs(
            pair
            for shard in self._run.shards("candidates", list(names))
            for pair in pairs_in(shard, names)
        )


class ShardFinder:
    """Finds the shard of a table that holds a query, at a few bytes of memory per shard.

    The shards of a run hold successive ranges of the ids' SHA-256 (see `QueryTable.of_shard`). A
    folder that was made in another way costs a few bytes per query.

    Args:
        run: The run.
        table: A table whose rows of one query are all in the same shard.
    """

    def __init__(self, run: RunDirectory, table: str = "candidates") -> None:
        self._paths = run.shard_paths(table)
        self._number_of: dict[str, int] = {}
        ranges = []
        for number, shard in enumerate(run.shards(table, ["query_id"])):
            places = [place_of(query_id) for query_id in shard["query_id"].to_pylist()]
            if places:
                ranges.append((min(places), max(places), number))
        ranges.sort()
        if any(high >= low for (_, high, _), (low, _, _) in itertools.pairwise(ranges)):
            for number, shard in enumerate(run.shards(table, ["query_id"])):
                self._number_of |= dict.fromkeys(shard["query_id"].to_pylist(), number)
        self._lows = [low for low, _, _ in ranges]
        self._numbers = [number for _, _, number in ranges]

    def path_of(self, query_id: str) -> Path | None:
        """Returns the only shard that may hold the query; None where none can."""
        if self._number_of:
            number = self._number_of.get(query_id)
            return None if number is None else self._paths[number]
        place = bisect.bisect_right(self._lows, place_of(query_id)) - 1
        return None if place < 0 else self._paths[self._numbers[place]]


def _rows(path: Path, query_ids: list[str]) -> Iterator[Candidates]:
    shard = read_shard(path, "candidates")
    chosen = shard.filter(pc.is_in(shard["query_id"], value_set=pa.array(query_ids, pa.string())))
    digests = chosen["candidates_sha256"].to_pylist()
    for found, digest in zip(candidates_in(chosen), digests, strict=True):
        if found.digest() != digest:
            raise IntegrityProblem(
                f"{path}: the candidates of query {found.query_id} do not match their digest",
                "retrieve the candidates again into a new folder",
            )
        yield found
