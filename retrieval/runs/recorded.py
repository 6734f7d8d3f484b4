"""An existing TREC run as a first stage: read once, cut to lists, replayed by every worker."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from rankgen.manifests.errors import UsageError
from rankgen.manifests.records import Candidates, Query
from rankgen.manifests.storage.digest import sha256_of_value
from rankgen.retrieval.cache import cached_folder
from rankgen.retrieval.collections.collection import Collection
from rankgen.retrieval.runs.run_columns import RunColumns, RunRow
from rankgen.retrieval.runs.run_order import RunLosses, Tally, ordered
from rankgen.retrieval.settings import RetrieverSettings, existing_run


class RecordedSearcher:
    """Replays the lists that `prepare_run` or `prepare_fusion` wrote.

    Args:
        lists: The Parquet file of the lists.
        depth: The depth they were cut to.
    """

    def __init__(self, lists: Path, depth: int) -> None:
        import pyarrow.parquet as pq

        self._table = pq.read_table(lists)
        self._rows = {
            query_id: row for row, query_id in enumerate(self._table["query_id"].to_pylist())
        }
        self._depth = depth

    def search(self, queries: Sequence[Query], depth: int) -> list[Candidates]:
        """Returns the first `depth` recorded documents of each query; see `Searcher.search`.

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
        doc_ids = self._table["doc_ids"][row].as_py()[:depth]
        return Candidates(
            query_id, tuple(doc_ids), tuple(self._table["scores"][row].as_py()[:depth])
        )


def prepare_run(
    settings: RetrieverSettings,
    collection: Collection,
    queries: Iterable[Query],
    cache: Path,
    own: frozenset[str] = frozenset(),
) -> tuple[Path, RunLosses]:
    """Cuts a run to lists that `RecordedSearcher` reads, and counts what the run lacks.

    A list is ordered, then cut to the depth, and only then freed of the documents that the
    collection lacks (where the settings say so): a document further down never moves up. The
    document that is the query itself stands beyond the depth, for the worker to leave out.

    Args:
        settings: Those of "recorded".
        collection: The collection that the run was made on.
        queries: The queries that are asked; only they are counted.
        cache: The cache's root folder.
        own: Queries out of whose lists the document of the same id is left.

    Returns:
        The Parquet file of the lists, and the counts.

    Raises:
        UsageError: The run cannot be read or holds none of the queries.
    """
    if settings.run is None:
        raise ValueError("the settings name no run")
    run = existing_run(settings.run)
    columns = RunColumns(run)
    absent = _documents_absent(columns, settings, collection, own)
    dropped = absent if settings.missing == "drop" else frozenset()
    asked = {query.query_id for query in queries}
    tally = Tally(settings.depth)
    lists: dict[str, list[RunRow]] = {}
    for query_id, rows in columns.lists():
        left_out = query_id if query_id in own else None
        kept = _cut(rows, settings, left_out)
        if query_id in asked:
            tally.add(_without(rows, left_out), _without(kept, left_out), absent)
        lists[query_id] = [row for row in kept if row.doc_id not in dropped]
    without_lines = len(asked - lists.keys())
    if without_lines == len(asked):
        raise UsageError(
            f"{run} holds none of the {len(asked)} queries of {collection.name}",
            "was it made on other queries?",
        )
    # Lists that an earlier version cut were ordered in 64 bits.
    identity = sha256_of_value(
        settings.identity()
        | {"dropped": sorted(dropped), "bits": 32}
        | ({"own": sorted(own)} if own else {})
    )
    entry = cached_folder(
        cache / "recorded" / identity[:32],
        lambda draft: write_lists(
            {
                query_id: ([row.doc_id for row in rows], [row.score for row in rows])
                for query_id, rows in lists.items()
            },
            draft / "lists.parquet",
        ),
    )
    return entry / "lists.parquet", tally.losses(without_lines)


def _documents_absent(
    columns: RunColumns,
    settings: RetrieverSettings,
    collection: Collection,
    own: frozenset[str],
) -> frozenset[str]:
    """Returns the documents of the cut lists that the collection lacks."""
    wanted = {
        row.doc_id
        for query_id, rows in columns.lists()
        for row in _cut(rows, settings, query_id if query_id in own else None)
    }
    for document in collection.documents():
        wanted.discard(document.doc_id)
    return frozenset(wanted)


def _cut(rows: list[RunRow], settings: RetrieverSettings, left_out: str | None) -> list[RunRow]:
    """Returns the list down to the depth, beside which the document to leave out may stand."""
    in_order = ordered(rows, settings.order)[: settings.depth + 1]
    holds_it = left_out is not None and any(row.doc_id == left_out for row in in_order)
    return in_order if holds_it else in_order[: settings.depth]


def _without(rows: list[RunRow], left_out: str | None) -> list[RunRow]:
    return rows if left_out is None else [row for row in rows if row.doc_id != left_out]


def write_lists(lists: Mapping[str, tuple[list[str], list[float]]], path: Path) -> None:
    """Writes query_id -> (document ids, scores) as `RecordedSearcher` reads it."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {
        "query_id": list(lists),
        "doc_ids": [doc_ids for doc_ids, _ in lists.values()],
        "scores": [scores for _, scores in lists.values()],
    }
    schema = pa.schema(
        [
            ("query_id", pa.string()),
            ("doc_ids", pa.list_(pa.string())),
            ("scores", pa.list_(pa.float64())),
        ]
    )
    pq.write_table(pa.table(columns, schema=schema), path, compression="zstd")
