"""A run as something to publish: its committed files, and what is known of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import JsonValue

from rankgen.manifests.counted import counted
from rankgen.manifests.errors import IncompleteRun, IntegrityProblem, UsageError, reason_of
from rankgen.manifests.run.commit_record import CommitRecord
from rankgen.manifests.run.ledger import Ledger
from rankgen.manifests.run.plan import Plan, read_plan
from rankgen.manifests.run.provenance import (
    all_quarantined,
    is_told,
    read_predicate,
    software,
    total_counts,
)
from rankgen.manifests.run.query_table import shard_size
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.run.unsettled import unsettled_records

TEXTS = ("queries", "documents")


class SourceFile(NamedTuple):
    """A shard of the run; `sha256` is what was recorded of it when it was made."""

    path: Path
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Source:
    """A run to publish.

    Attributes:
        tables: The files of every table that can be published, in order.
        facts: The manifest's description of the run; of an unfinished run what its commits say.
        counts: Totals over the committed shards.
        quarantined: query_id -> reason.
        queries: Number of queries in the committed shards.
        committed: Number of committed shards.
        is_finished: Whether all planned shards are committed and described.
    """

    run: RunDirectory
    plan: Plan
    tables: Mapping[str, tuple[SourceFile, ...]]
    facts: Mapping[str, JsonValue]
    counts: Mapping[str, int]
    quarantined: Mapping[str, str]
    queries: int
    committed: int
    is_finished: bool

    def bytes_of(self, table: str) -> int:
        """Returns the size of a table's files."""
        return sum(file.bytes for file in self.tables[table])

    def rows_of(self, table: str) -> int:
        """Returns the number of a table's rows."""
        return sum(file.rows for file in self.tables[table])


def open_source(run: RunDirectory, *, is_partial: bool) -> Source:
    """Opens a run and checks that every committed file is there in its size.

    Args:
        run: The run.
        is_partial: Whether the committed shards of an unfinished run will do.

    Raises:
        UsageError: The folder is not a run, was published already, or has no query to publish.
        IncompleteRun: The run is not finished, or nothing of it is committed.
        IntegrityProblem: A file is missing or has another size.
    """
    if not run.plan.exists() and (run.root / "SHA256SUMS").exists():
        raise UsageError(
            f"{run.root} is a published data set, not a run", "name the run that it was made from"
        )
    plan = read_plan(run)
    records = Ledger(run, plan.fingerprint, plan.shards, plan.tables).records()
    is_finished = len(records) == plan.shards and is_told(run, records)
    if not records or not (is_finished or is_partial):
        hint = "repeat the run's command to finish it"
        raise IncompleteRun(
            f"{run.root} is not finished ({len(records)} of {counted(plan.shards, 'shard')} "
            "committed)",
            f"{hint}, or add --partial to publish what there is" if records else hint,
        )
    _check_sizes(run, plan, records)
    quarantined = all_quarantined(records)
    planned = sum(shard_size(plan.queries, shard, plan.shards) for shard in records)
    if planned == len(quarantined):
        raise UsageError(
            f"every query of {run.root} failed, so there is nothing to publish",
            f"see why: rankgen status {run.root}",
        )
    predicate = read_predicate(run) if is_finished else None
    return Source(
        run=run,
        plan=plan,
        tables=_committed(run, plan, records) | (_texts(run) if is_finished else {}),
        facts=predicate or {"recipe": plan.recipe, "software": dict(software())},
        counts=total_counts(records),
        quarantined=quarantined,
        queries=planned - len(quarantined),
        committed=len(records),
        is_finished=is_finished,
    )


def _check_sizes(run: RunDirectory, plan: Plan, records: Mapping[int, CommitRecord]) -> None:
    for record in unsettled_records(run, plan.shards, list(records.values())):
        for subject in record.subjects:
            path = run.shard_path(subject.table, record.shard, plan.shards)
            found = path.stat().st_size if path.exists() else None
            if found != subject.bytes:
                state = "is missing" if found is None else f"has {found} bytes"
                raise IntegrityProblem(
                    f"{path} {state}, but {subject.bytes} bytes of it were committed",
                    f"see what else differs: rankgen verify {run.root}",
                )


def _committed(
    run: RunDirectory, plan: Plan, records: Mapping[int, CommitRecord]
) -> dict[str, tuple[SourceFile, ...]]:
    return {
        table: tuple(
            SourceFile(
                run.shard_path(table, shard, plan.shards),
                subject.rows,
                subject.bytes,
                subject.sha256,
            )
            for shard, record in sorted(records.items())
            for subject in record.subjects
            if subject.table == table
        )
        for table in plan.tables
    }


def _texts(run: RunDirectory) -> dict[str, tuple[SourceFile, ...]]:
    """Returns the files of queries and documents, which are in the manifest and in no commit."""
    content = json.loads(run.manifest.read_text(encoding="utf-8"))
    digests = {subject["name"]: subject["digest"]["sha256"] for subject in content["subject"]}
    files: dict[str, tuple[SourceFile, ...]] = {}
    for table in TEXTS:
        names = sorted(name for name in digests if name.startswith(f"{table}/"))
        if names:
            files[table] = tuple(_text_file(run.root / name, digests[name]) for name in names)
    return files


def _text_file(path: Path, sha256: str) -> SourceFile:
    try:
        with path.open("rb") as file, pq.ParquetFile(file) as parquet:
            return SourceFile(path, parquet.metadata.num_rows, path.stat().st_size, sha256)
    except (OSError, pa.ArrowException) as error:
        raise IntegrityProblem(
            f"{path} cannot be read, although the manifest names it: {reason_of(error)}",
            "see what else differs: rankgen verify RUN",
        ) from None
