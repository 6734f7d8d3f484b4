"""The texts of a run: written once after its shards, linked into later runs, looked up by id."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from functools import partial

import pyarrow as pa

from rankgen.manifests.errors import UsageError
from rankgen.manifests.records import Document, Query
from rankgen.manifests.run.query_table import stored_queries
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.schema import DOCUMENTS, TABLES
from rankgen.manifests.storage.atomic import remove_tree, share_file, whole_file
from rankgen.manifests.storage.column_digest import sha256_of_columns, sha256_of_streams
from rankgen.manifests.storage.shard import write_shard

DOCUMENTS_PER_SHARD = 50_000
QUERIES_PER_SHARD = 50_000


def write_queries(run: RunDirectory, queries: Iterable[Query], fingerprint: str) -> None:
    """Publishes the table `queries`, sorted by id."""
    ordered = stored_queries(queries)
    rows = (query._asdict() for query in ordered)
    _write_in_shards(run, "queries", rows, QUERIES_PER_SHARD, len(ordered), fingerprint)


def write_documents(run: RunDirectory, documents: Iterable[Document], fingerprint: str) -> None:
    """Publishes the table `documents`, sorted by id; holds all documents in memory meanwhile."""
    ordered = sorted(documents, key=lambda document: document.doc_id)
    rows = (document._asdict() for document in ordered)
    _write_in_shards(run, "documents", rows, DOCUMENTS_PER_SHARD, len(ordered), fingerprint)


def write_sorted_documents(
    run: RunDirectory, documents: Iterator[Document], count: int, fingerprint: str
) -> None:
    """Publishes `count` documents, sorted by id; holds one shard of them in memory."""
    rows = (document._asdict() for document in documents)
    _write_in_shards(run, "documents", rows, DOCUMENTS_PER_SHARD, count, fingerprint)


def link_texts(source: RunDirectory, target: RunDirectory) -> None:
    """Adds the texts of `source` to `target`: hard links where possible, else copies."""
    for table in ("queries", "documents"):
        for path in source.shard_paths(table):
            public = target.root / table / path.name
            if not public.exists():
                share_file(path, public)


def digest_of_documents(run: RunDirectory) -> str:
    """Returns the digest of ids, titles and texts of a run's documents, in any number of shards.

    Ids alone do not say what a teacher read: another collection may use the same ones.
    """
    rows = sum(shard.num_rows for shard in run.shards("documents", ["doc_id"]))
    return sha256_of_streams(rows, *(partial(_parts, run, name) for name in DOCUMENTS.names))


def _parts(run: RunDirectory, name: str) -> Iterator[pa.Array]:
    for shard in run.shards("documents", [name]):
        yield from shard[name].iterchunks()


class DocumentTexts:
    """Looks up documents by id in a run's `documents` table, which it holds in memory as Arrow."""

    def __init__(self, run: RunDirectory) -> None:
        self._where = run.root
        self._rows = run.read("documents").combine_chunks()
        self._row_of = {doc_id: row for row, doc_id in enumerate(self._rows["doc_id"].to_pylist())}

    def digest(self) -> str:
        """Returns `digest_of_documents` of the documents held here."""
        return sha256_of_columns(*(self._rows[name] for name in DOCUMENTS.names))

    @property
    def doc_ids(self) -> AbstractSet[str]:
        """The documents that have a text."""
        return self._row_of.keys()

    def __getitem__(self, doc_ids: Sequence[str]) -> dict[str, Document]:
        """Returns doc_id -> document.

        Raises:
            UsageError: A document is not in the table.
        """
        for doc_id in doc_ids:
            if doc_id not in self._row_of:
                raise UsageError(
                    f"{self._where} has no text of document {doc_id}; its collection lacks it",
                    "retrieve again with --missing drop, or from the whole collection",
                )
        rows = self._rows.take(pa.array([self._row_of[d] for d in doc_ids], pa.int64()))
        columns = (rows[name].to_pylist() for name in Document._fields)
        return {row[0]: Document(*row) for row in zip(*columns, strict=True)}

    def all(self) -> Iterator[Document]:
        """Yields every document, sorted by id."""
        for batch in self._rows.to_batches(max_chunksize=10_000):
            for row in batch.to_pylist():
                yield Document(**row)


def _write_in_shards(
    run: RunDirectory,
    table: str,
    rows: Iterator[dict[str, str]],
    rows_per_shard: int,
    count: int,
    fingerprint: str,
) -> None:
    shards = max(1, -(-count // rows_per_shard))
    written = [run.shard_path(table, shard, shards) for shard in range(shards)]
    for path in written:
        chunk = list(itertools.islice(rows, rows_per_shard))
        with whole_file(path) as draft:
            write_shard(
                draft, table, pa.Table.from_pylist(chunk, schema=TABLES[table]), fingerprint
            )
    # A retried query may have brought new texts, and these another number of shards.
    for path in set(run.shard_paths(table)) - set(written):
        remove_tree(path)
