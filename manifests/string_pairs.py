"""Pairs of strings on the disk, sorted there: ten million of them take no more memory than a few.

SQLite keeps them in a database of this process's own, which no name leads to and which is gone with
the process. It stands where TMPDIR says, as every temporary file.
"""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property, partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from rankgen.manifests.column_digest import sha256_of_streams
from rankgen.manifests.errors import EnvironmentProblem

Pair = tuple[str, str]
# What SQLite may hold of its pages, and of rows that it sorts; the rest is on the disk.
_CACHE_KIB = 32 * 1024
_BATCH_ROWS = 4_096


class StringPairs:
    """Pairs of strings, to be read by key, in the order of the keys or in any other.

    It belongs to the thread that made it.

    Args:
        pairs: In any order. Each key stands once.
        names: What key and value are called in `file`.
    """

    def __init__(self, pairs: Iterable[Pair], names: Pair = ("key", "value")) -> None:
        self._schema = pa.schema([(name, pa.string()) for name in names])
        self._database = sqlite3.connect("", isolation_level=None)
        with _named_faults():
            # A database that dies with its process needs no journal.
            for pragma in ("journal_mode=OFF", "synchronous=OFF", f"cache_size=-{_CACHE_KIB}"):
                self._database.execute(f"PRAGMA {pragma}")
            self._database.execute("CREATE TABLE given (key TEXT NOT NULL, value TEXT NOT NULL)")
            self._database.execute("BEGIN")
            self._database.executemany("INSERT INTO given VALUES (?, ?)", pairs)
            self._database.execute("COMMIT")
        (self._length,) = self._database.execute("SELECT count(*) FROM given").fetchone()

    def __len__(self) -> int:
        """Returns the number of pairs."""
        return int(self._length)

    def __iter__(self) -> Iterator[Pair]:
        """Yields the pairs by key, in the order of the keys' UTF-8 bytes."""
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
        """Returns the value of a key; None where there is no such key."""
        found = self._indexed.execute("SELECT value FROM given WHERE key = ?", (key,)).fetchone()
        return None if found is None else str(found[0])

    def ordered_by(self, place: Callable[[str], bytes]) -> Iterator[Pair]:
        """Yields the pairs in the order of `place(key)`, which no two keys share."""
        self._database.create_function("place_now", 1, place, deterministic=True)
        with _named_faults():
            yield from self._database.execute(
                "SELECT key, value FROM given ORDER BY place_now(key)"
            )

    def settle(self, place: Callable[[str], bytes]) -> None:
        """Puts the pairs in the order of `place(key)`, for `between`; done once."""
        self._database.create_function("place", 1, place, deterministic=True)
        with _named_faults():
            self._database.execute(
                "CREATE TABLE placed AS SELECT key, value FROM given ORDER BY place(key)"
            )

    def between(self, start: int, end: int) -> list[Pair]:
        """Returns the pairs at the places [start, end) of the settled order, sorted by key."""
        found = self._database.execute(
            "SELECT key, value FROM placed WHERE rowid > ? AND rowid <= ?", (start, end)
        )
        return sorted(found)

    def write(self, path: Path) -> None:
        """Writes the sorted pairs as a Parquet file."""
        shutil.copyfile(self._sorted, path)

    @cached_property
    def _indexed(self) -> sqlite3.Connection:
        with _named_faults():
            self._database.execute("CREATE INDEX by_key ON given (key)")
        return self._database

    @cached_property
    def _folder(self) -> tempfile.TemporaryDirectory[str]:
        return tempfile.TemporaryDirectory(prefix="rankgen-")

    @cached_property
    def _sorted(self) -> Path:
        path = Path(self._folder.name) / "sorted.parquet"
        with _named_faults(), pq.ParquetWriter(path, self._schema, compression="zstd") as file:
            rows = self._database.execute("SELECT key, value FROM given ORDER BY key")
            while batch := rows.fetchmany(_BATCH_ROWS):
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
