"""Looks candidates up by query id in a run, reading a shard only when a query of it is asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from rankgen.manifests.column_digest import sha256_of_columns
from rankgen.manifests.digest import sha256_of_lines
from rankgen.manifests.errors import IntegrityProblem, UsageError
from rankgen.manifests.run_directory import RunDirectory, read_shard


@dataclass(frozen=True)
class CandidateList:
    """A row of the table `candidates`; see `rankgen.manifests.schema.CANDIDATES`."""

    query_id: str
    doc_ids: list[str]
    retrieval_scores: list[float]
    candidates_sha256: str


class CandidateLists:
    """The candidates of one run.

    Args:
        run: A run with published candidates.
    """

    def __init__(self, run: RunDirectory) -> None:
        self._run = run
        self._paths = run.shard_paths("candidates")
        self._parts = run.parts("candidates", ["query_id", "candidates_sha256"])
        self._digests = pa.concat_tables(self._parts).sort_by("query_id")

    @property
    def id_column(self) -> pa.ChunkedArray:
        """All query ids, sorted, as a column."""
        return self._digests["query_id"]

    @property
    def query_ids(self) -> list[str]:
        """All query ids, sorted."""
        ids: list[str] = self.id_column.to_pylist()
        return ids

    def digest(self) -> str:
        """Returns the digest of every list of every query, whatever the number of shards."""
        return sha256_of_columns(self.id_column, self._digests["candidates_sha256"])

    def __getitem__(self, query_ids: Iterable[str]) -> Mapping[str, CandidateList]:
        """Returns query_id -> candidates.

        Raises:
            UsageError: A query has no candidates.
            IntegrityProblem: A list does not match its digest.
        """
        wanted: dict[int, list[str]] = {}
        for query_id in query_ids:
            if query_id not in self._shard_of:
                raise UsageError(
                    f"query {query_id} has no candidates in {self._run.root}",
                    "retrieve candidates for it, or leave it out",
                )
            wanted.setdefault(self._shard_of[query_id], []).append(query_id)
        found: dict[str, CandidateList] = {}
        for number, ids in wanted.items():
            found |= {row.query_id: row for row in _rows(self._paths[number], ids)}
        return found

    @cached_property
    def _shard_of(self) -> dict[str, int]:
        shard_of: dict[str, int] = {}
        for number, part in enumerate(self._parts):
            shard_of |= dict.fromkeys(part["query_id"].to_pylist(), number)
        return shard_of


def _rows(path: Path, query_ids: list[str]) -> list[CandidateList]:
    shard = read_shard(path, "candidates")
    chosen = shard.filter(pc.is_in(shard["query_id"], value_set=pa.array(query_ids, pa.string())))
    rows = [CandidateList(**row) for row in chosen.to_pylist()]
    for row in rows:
        if sha256_of_lines(row.doc_ids) != row.candidates_sha256:
            raise IntegrityProblem(
                f"{path}: the candidates of query {row.query_id} do not match their digest",
                "retrieve the candidates again into a new folder",
            )
    return rows
