"""Pairs of strings, stored and sorted on disk: ten million take no more memory than a few.

SQLite keeps them in a private, unnamed database that disappears with the process; like every
temporary file it is where TMPDIR says. SQLite's own sorting maps its files into memory, so the
pairs are instead spread over buckets by a hash, each small enough to be sorted in memory.
"""

from __future__ import annotations

import contextlib
import hashlib
import heapq
import itertools
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property, partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from rankgen.manifests.errors import EnvironmentProblem
from rankgen.manifests.storage.column_digest import sha256_of_streams

Pair = tuple[str, str]
Place = Callable[[str], bytes]
# The pages that SQLite may keep in memory; the rest is on disk.
_CACHE_KIB = 16 * 1024
_BATCH_ROWS = 4_096


def place_of(key: str) -> bytes:
    """Returns the sort key of a run's queries: the SHA-256 of the id."""
    return hashlib.sha256(key.encode()).digest()


class StringPairs:
    """Pairs of strings that can be read by key, in the order of the keys or in that of a hash.

    Only one thread may use an object at a time.

    Args:
        pairs: Pairs in any order; of pairs with the same key, one is kept.
        names: Column names of key and value in a file.
        place: A hash of the key; no two keys may have the same.
    """

    def __init__(
        self, pairs: Iterable[Pair], names: Pair = ("key", "value"), place: Place = place_of
    ) -> None:
        self._schema = pa.schema([(name, pa.string()) for name in names])
        self._place = place
        self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        with _named_faults():
            # A database that disappears with its process needs no journal.
            for pragma in ("journal_mode=OFF", "synchronous=OFF", f"cache_size=-{_CACHE_KIB}"):
                self._database.execute(f"PRAGMA {pragma}")
            self._fill(pairs)
        self._sizes = self._filled("pairs")
        self._sorted_bucket: tuple[int, list[Pair]] = (-1, [])

    def __len__(self) -> int:
        return sum(self._sizes.values())

    def __iter__(self) -> Iterator[Pair]:
        """Yields the pairs in the order of the keys' UTF-8 bytes."""
        for batch in self._batches():
            yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)

    def keys(self) -> Iterator[str]:
        """Yields the keys in the same order."""
        for column in self._column(0):
            yield from column.to_pylist()

    def digest(self) -> str:
        """Returns the digest of the sorted keys and their values; see `sha256_of_columns`."""
        return sha256_of_streams(len(self), partial(self._column, 0), partial(self._column, 1))

    def find(self, key: str) -> str | None:
        """Returns the value of a key, or None if the key is unknown."""
        found = self._database.execute(
            "SELECT value FROM pairs WHERE bucket = ? AND key = ?", (self._place(key)[0], key)
        ).fetchone()
        return None if found is None else str(found[0])

    def by_place(self) -> Iterator[Pair]:
        """Yields the pairs in the order of the hash."""
        for bucket in self._sizes:
            yield from self._by_place(bucket)

    def between(self, start: int, end: int) -> list[Pair]:
        """Returns the pairs at [start, end) in the order of the hash, sorted by key."""
        found: list[Pair] = []
        begin = 0
        for bucket, size in self._sizes.items():
            if begin < end and begin + size > start:
                found += self._by_place(bucket)[max(0, start - begin) : end - begin]
            begin += size
        return sorted(found)

    def write(self, path: Path) -> None:
        """Writes the sorted pairs as a Parquet file."""
        shutil.copyfile(self._sorted, path)

    def _fill(self, pairs: Iterable[Pair]) -> None:
        """Spreads the pairs over the buckets, then sorts each bucket by key.

        The first table grows at 256 places and the second at its end, so no page is read again.
        """
        placed = ((self._place(pair[0])[0], number, *pair) for number, pair in enumerate(pairs))
        self._database.execute("BEGIN")
        self._database.execute(
            "CREATE TABLE given (bucket INTEGER, number INTEGER, key TEXT, value TEXT, "
            "PRIMARY KEY (bucket, number)) WITHOUT ROWID"
        )
        self._database.executemany("INSERT INTO given VALUES (?, ?, ?, ?)", placed)
        self._database.execute(
            "CREATE TABLE pairs (bucket INTEGER, key TEXT, value TEXT, "
            "PRIMARY KEY (bucket, key)) WITHOUT ROWID"
        )
        for bucket in self._filled("given"):
            found = self._rows("given", bucket)
            rows = ((bucket, *pair) for pair in sorted(found))
            self._database.executemany("INSERT OR IGNORE INTO pairs VALUES (?, ?, ?)", rows)
        self._database.execute("DROP TABLE given")
        self._database.execute("COMMIT")

    def _filled(self, table: str) -> dict[int, int]:
        """Returns the number of pairs in each bucket that is not empty, in order."""
        query = f"SELECT bucket, count(*) FROM {table} GROUP BY bucket ORDER BY bucket"
        return dict(self._database.execute(query))

    def _rows(self, table: str, bucket: int) -> Iterator[Pair]:
        """Yields a bucket's pairs: those in `given` as they came, those in `pairs` by key."""
        order = {"given": "number", "pairs": "key"}[table]
        query = f"SELECT key, value FROM {table} WHERE bucket = ? ORDER BY {order}"
        return self._database.execute(query, (bucket,))

    def _by_place(self, bucket: int) -> list[Pair]:
        """Returns a bucket in the order of the hash; it is kept, as consecutive shards need it."""
        kept, pairs = self._sorted_bucket
        if kept != bucket:
            pairs = sorted(self._rows("pairs", bucket), key=lambda pair: self._place(pair[0]))
            self._sorted_bucket = bucket, pairs
        return pairs

    @cached_property
    def _folder(self) -> tempfile.TemporaryDirectory[str]:
        return tempfile.TemporaryDirectory(prefix="rankgen-")

    @cached_property
    def _sorted(self) -> Path:
        path = Path(self._folder.name) / "sorted.parquet"
        with _named_faults(), pq.ParquetWriter(path, self._schema, compression="zstd") as file:
            pairs = heapq.merge(*(self._rows("pairs", bucket) for bucket in self._sizes))
            while batch := list(itertools.islice(pairs, _BATCH_ROWS)):
                columns = [pa.array(column, pa.string()) for column in zip(*batch, strict=True)]
                file.write_batch(pa.record_batch(columns, schema=self._schema))
        return path

    def _batches(self, columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
        with pq.ParquetFile(self._sorted) as file:
            yield from file.iter_batches(_BATCH_ROWS, columns=columns, use_threads=False)

    def _column(self, number: int) -> Iterator[pa.Array]:
        for batch in self._batches([self._schema.names[number]]):
            yield batch.column(0)


def pairs_in(table: pa.Table, names: Pair) -> Iterator[Pair]:
    """Yields two string columns of a table as pairs, a few thousand rows at a time."""
    for batch in table.select(list(names)).to_batches(max_chunksize=_BATCH_ROWS):
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


@contextlib.contextmanager
def _named_faults() -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        raise EnvironmentProblem(
            f"the queries cannot be sorted in {tempfile.gettempdir()}: {error}",
            "free some space there, or set TMPDIR to a folder with more",
        ) from None
