"""The queries of a run, kept on disk: ten million take no more memory than a few."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import overload

from rankgen.manifests.errors import IntegrityProblem
from rankgen.manifests.records import Query
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.storage.string_pairs import Place, StringPairs, pairs_in, place_of


class QueryTable:
    """Queries with distinct ids, read in the order of their ids or shard by shard.

    Args:
        queries: In any order; read once.
        place: The hash of the id that orders the queries in `by_place`; a run uses SHA-256.
    """

    def __init__(self, queries: Iterable[Query], place: Place = place_of) -> None:
        self._pairs = StringPairs(queries, ("query_id", "text"), place)

    def __len__(self) -> int:
        return len(self._pairs)

    def __iter__(self) -> Iterator[Query]:
        """Yields the queries, sorted by id."""
        return (Query(*pair) for pair in self._pairs)

    def digest(self) -> str:
        """Returns the digest of ids and texts, independent of their order."""
        return self._pairs.digest()

    def find(self, query_id: str) -> Query | None:
        """Returns the query with this id; None if there is no such query."""
        text = self._pairs.find(query_id)
        return None if text is None else Query(query_id, text)

    def by_place(self) -> Iterator[Query]:
        """Yields the queries in the order of their ids' hash."""
        return (Query(*pair) for pair in self._pairs.by_place())

    def of_shard(self, shard: int, shards: int) -> Sequence[Query]:
        """Returns the queries of one of `shards` shards, sorted by id; they are read when used.

        Membership is a pure function of the ids and `shards`: the ids are ordered by their SHA-256
        and cut evenly.
        """
        return ShardQueries(self, shard, shards)

    def write(self, path: Path) -> None:
        """Writes the queries, sorted by id, as a Parquet file."""
        self._pairs.write(path)

    def between(self, start: int, end: int) -> list[Query]:
        """Returns the queries at the places [start, end) by the SHA-256 of the id, sorted by id."""
        return [Query(*pair) for pair in self._pairs.between(start, end)]


def stored_queries(queries: Iterable[Query]) -> QueryTable:
    """Returns the queries as a table; a table is returned unchanged."""
    return queries if isinstance(queries, QueryTable) else QueryTable(queries)


class ShardQueries(Sequence[Query]):
    """The queries of one of a run's `shards`, numbered from 0.

    They are pickled as a plain tuple, which is what a worker gets.
    """

    def __init__(self, table: QueryTable, shard: int, shards: int) -> None:
        self._table = table
        self._start, self._end = shard_bounds(len(table), shard, shards)

    def __len__(self) -> int:
        return self._end - self._start

    @overload
    def __getitem__(self, place: int) -> Query: ...

    @overload
    def __getitem__(self, place: slice) -> tuple[Query, ...]: ...

    def __getitem__(self, place: int | slice) -> Query | tuple[Query, ...]:
        return tuple(self)[place]

    def __iter__(self) -> Iterator[Query]:
        """Yields the queries, sorted by id."""
        return iter(self._table.between(self._start, self._end))

    def __reduce__(self) -> tuple[type[tuple[Query, ...]], tuple[list[Query]]]:
        return tuple, (list(self),)


class QueryIds(Collection[str]):
    """The ids of a table's queries, except some; looked up in the table."""

    def __init__(self, queries: QueryTable, without: AbstractSet[str]) -> None:
        self._queries, self._without = queries, without

    def __contains__(self, query_id: object) -> bool:
        is_held = isinstance(query_id, str) and self._queries.find(query_id) is not None
        return is_held and query_id not in self._without

    def __iter__(self) -> Iterator[str]:
        """Yields the ids, sorted."""
        return (q.query_id for q in self._queries if q.query_id not in self._without)

    def __len__(self) -> int:
        return len(self._queries) - len(self._without)


def shard_bounds(queries: int, shard: int, shards: int) -> tuple[int, int]:
    """Returns where a shard begins and ends among the queries, ordered by the ids' SHA-256."""
    return queries * shard // shards, queries * (shard + 1) // shards


def shard_size(queries: int, shard: int, shards: int) -> int:
    """Returns the number of a shard's queries."""
    start, end = shard_bounds(queries, shard, shards)
    return end - start


def queries_of_run(run: RunDirectory, query_ids: Iterable[str]) -> QueryTable:
    """Returns queries of a run by their ids, which are sorted and distinct.

    Raises:
        IntegrityProblem: The run has no text of one of them.
    """
    texts = StringPairs(
        pair for shard in run.shards("queries") for pair in pairs_in(shard, ("query_id", "text"))
    )
    return QueryTable(_joined(run, query_ids, iter(texts)))


def _joined(
    run: RunDirectory, query_ids: Iterable[str], texts: Iterator[tuple[str, str]]
) -> Iterator[Query]:
    """Yields the named queries; both sides are sorted, as UTF-8 and Python sort alike."""
    for query_id in query_ids:
        found = next((pair for pair in texts if pair[0] >= query_id), None)
        if found is None or found[0] != query_id:
            raise IntegrityProblem(
                f"{run.root} has candidates for query {query_id} but no text of it",
                f"rankgen verify {run.root}",
            )
        yield Query(*found)
