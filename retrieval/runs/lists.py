"""Ranked lists in one Parquet file: made once, replayed by every worker."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from rankgen.manifests.errors import UsageError
from rankgen.manifests.records import Candidates, Query
from rankgen.manifests.storage.digest import sha256_of_value
from rankgen.retrieval.cache import cached_folder
from rankgen.retrieval.first_stage import RetrieverHandle, Wanted

# Lists that are held at a time while a file is written.
PORTION = 1_024
_KINDS = (pa.string(), pa.list_(pa.string()), pa.list_(pa.float64()))
_SCHEMA = pa.schema(list(zip(Candidates._fields, _KINDS, strict=True)))


def cached_lists(
    wanted: Wanted, kind: str, known: dict[str, object], lists: Iterable[Candidates]
) -> RetrieverHandle:
    """Returns what opens lists that the cache has, or that are written into it.

    Args:
        wanted: What they are made for.
        kind: The folder of the cache.
        known: All that they depend on, beside its own documents.
        lists: The lists, of distinct queries; read only if the cache lacks them.
    """
    key = sha256_of_value(known | ({"own": sorted(wanted.own)} if wanted.own else {}))
    entry = cached_folder(
        wanted.cache / kind / key[:32], lambda draft: _write(lists, draft / "lists.parquet")
    )
    return RetrieverHandle(settings=wanted.settings, lists=entry / "lists.parquet", own=wanted.own)


def _write(lists: Iterable[Candidates], path: Path) -> None:
    rest = iter(lists)
    with pq.ParquetWriter(path, _SCHEMA, compression="zstd") as file:
        while portion := list(itertools.islice(rest, PORTION)):
            columns = zip(zip(*portion, strict=True), _KINDS, strict=True)
            arrays = [pa.array(column, kind) for column, kind in columns]
            file.write_batch(pa.record_batch(arrays, schema=_SCHEMA))


class ListSearcher:
    """Replays lists that `cached_lists` wrote.

    Args:
        handle: Names the file, and the depth that its lists were cut to.
    """

    def __init__(self, handle: RetrieverHandle) -> None:
        if handle.lists is None:
            raise ValueError("the handle has no lists")
        self._table = pq.read_table(handle.lists)
        self._rows = {
            query_id: row for row, query_id in enumerate(self._table["query_id"].to_pylist())
        }
        self._depth = handle.settings.depth + bool(handle.own)

    def search(self, queries: Sequence[Query], depth: int) -> list[Candidates]:
        """Returns the first `depth` documents of each query's list; see `Searcher.search`.

        Raises:
            UsageError: `depth` exceeds the depth that the lists were cut to.
        """
        if depth > self._depth:
            raise UsageError(
                f"depth {depth} exceeds the {self._depth} that the recorded run was cut to",
                f"prepare it with depth {depth}",
            )
        return [self._candidates(query.query_id, depth) for query in queries]

    def _candidates(self, query_id: str, depth: int) -> Candidates:
        row = self._rows.get(query_id)
        if row is None:
            return Candidates(query_id, (), ())
        doc_ids, scores = self._table["doc_ids"][row].as_py(), self._table["scores"][row].as_py()
        return Candidates(query_id, tuple(doc_ids), tuple(scores)).cut(depth)
