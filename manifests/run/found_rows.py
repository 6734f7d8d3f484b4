"""Finds the rows of a few ids in a table without reading the rest of it.

Shards are sorted by id, so the statistics of a row group tell whether it may hold one. Which shard
holds a query follows from the place of its id's SHA-256 (see `QueryTable.of_shard`): a run of ten
million queries is asked for one of them in the time that a few shards take.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from rankgen.manifests.errors import IntegrityProblem, reason_of
from rankgen.manifests.run.run_directory import RunDirectory, read_shard
from rankgen.manifests.schema import TABLES
from rankgen.manifests.storage.object_store import is_remote, read_object
from rankgen.manifests.storage.shard import OtherColumns, completed
from rankgen.manifests.storage.string_pairs import place_of

_NAME = re.compile(r"train-(\d+)-of-(\d+)\.parquet")
_PLACES = 1 << 64


def rows_of_query(run: RunDirectory, table: str, query_id: str) -> pa.Table:
    """Returns the rows of one query, in their order; none where the run has none (yet).

    Args:
        run: A run, finished or not, or a published data set.
        table: `rankings`, `windows` or `candidates`; all rows of a query are in one shard of it.
        query_id: The query.

    Raises:
        IntegrityProblem: A shard cannot be read or has other columns.
    """
    for path in _likely_first(run, table, query_id):
        found = rows_in_file(path, table, "query_id", [query_id])
        if found.num_rows:
            return found
    return TABLES[table].empty_table()


def rows_of_ids(run: RunDirectory, table: str, ids: Collection[str]) -> pa.Table:
    """Returns the rows of `queries` or `documents` with these ids, sorted by id.

    Raises:
        IntegrityProblem: A shard cannot be read or has other columns.
    """
    key = "query_id" if table == "queries" else "doc_id"
    wanted = sorted(set(ids))
    parts = [rows_in_file(path, table, key, wanted) for path in run.shard_paths(table)]
    return pa.concat_tables([TABLES[table].empty_table(), *parts])


def rows_in_file(path: Path, table: str, key: str, ids: Sequence[str]) -> pa.Table:
    """Returns the rows of one shard whose `key` is one of the sorted `ids`.

    Raises:
        IntegrityProblem: The file cannot be read or has other columns.
    """
    names = TABLES[table].names
    try:
        source = pa.BufferReader(read_object(path)) if is_remote(path) else path
        with pq.ParquetFile(source) as file:
            groups = [group for group in _groups(file, key, ids) if _holds(file, group, key, ids)]
            held = [name for name in names if name in file.schema_arrow.names]
            read = file.read_row_groups(groups, columns=held, use_threads=False)
        found = completed(read, table, names).select(names)
    except (OSError, pa.ArrowException, KeyError, OtherColumns):
        # Says what is wrong with the file in the words of every other reader.
        found = read_shard(path, table, names)
    return found.filter(pc.is_in(found[key], value_set=pa.array(ids, pa.string())))


def _groups(file: pq.ParquetFile, key: str, ids: Sequence[str]) -> Iterator[int]:
    """Yields the row groups that may hold an id, according to their statistics."""
    column = file.schema_arrow.get_field_index(key)
    for group in range(file.num_row_groups):
        held = file.metadata.row_group(group).column(column).statistics
        if held is None or not held.has_min_max:
            yield group
            continue
        first = bisect.bisect_left(ids, held.min)
        if first < len(ids) and ids[first] <= held.max:
            yield group


def _holds(file: pq.ParquetFile, group: int, key: str, ids: Sequence[str]) -> bool:
    """Tells whether a row group holds an id; the ids take far less time to read than the rows."""
    held = file.read_row_group(group, columns=[key], use_threads=False)[key]
    return bool(pc.any(pc.is_in(held, value_set=pa.array(ids, pa.string()))).as_py())


def _likely_first(run: RunDirectory, table: str, query_id: str) -> Iterator[Path]:
    """Yields shards by their distance from the one that should hold the query.

    Ends where the shards of a run tell that no other can hold it.
    """
    paths = run.shard_paths(table)
    if not run.plan.exists() or len(paths) < 2:
        yield from paths
        return
    numbers = {path: match for path in paths if (match := _NAME.fullmatch(path.name))}
    place = place_of(query_id)
    guess = int.from_bytes(place[:8], "big") / _PLACES
    low, high = -1.0, float("inf")
    for path in sorted(numbers, key=lambda path: abs(_share(numbers[path]) - guess)):
        share = _share(numbers[path])
        if not low < share < high:
            continue
        yield path
        places = _ends(path)
        if places is None:
            continue
        if places[0] <= place:
            low = share
        if place <= places[1]:
            high = share


def _share(name: re.Match[str]) -> float:
    """Returns where the middle of a shard should lie among all places, 0 to 1."""
    return (int(name[1]) + 0.5) / int(name[2])


def _ends(path: Path) -> tuple[bytes, bytes] | None:
    """Returns the first and last place of a shard's queries; None for an empty shard."""
    try:
        source = pa.BufferReader(read_object(path)) if is_remote(path) else path
        with pq.ParquetFile(source) as file:
            ids = file.read(columns=["query_id"], use_threads=False)["query_id"]
    except (OSError, pa.ArrowException) as error:
        raise IntegrityProblem(
            f"{path} cannot be read: {reason_of(error)}",
            "check what else is damaged: rankgen verify RUN",
        ) from None
    places = [place_of(one) for one in pc.unique(ids).to_pylist()]
    return (min(places), max(places)) if places else None
