"""Checks a run against its ledger: nothing missing, nothing changed, nothing foreign."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rankgen.manifests.commit_record import CommitRecord
from rankgen.manifests.digest import sha256_of_file
from rankgen.manifests.errors import IntegrityProblem
from rankgen.manifests.ledger import Ledger, Validate
from rankgen.manifests.plan import Plan, assign_shards, planned_queries, read_plan
from rankgen.manifests.progress import progress
from rankgen.manifests.run_directory import RunDirectory, read_shard


@dataclass(frozen=True)
class Verification:
    """What a check found.

    Attributes:
        plan: The run's plan.
        shards: Committed shards.
        queries: Queries that committed shards hold.
        quarantined: query_id -> reason.
        problems: One sentence each; empty when all is well.
    """

    plan: Plan
    shards: int
    queries: int
    quarantined: dict[str, str]
    problems: tuple[str, ...]


def verify_run(run: RunDirectory, validate: Validate | None) -> Verification:
    """Checks every committed file's size and SHA-256, and that no other file stands among them.

    Args:
        run: The run.
        validate: Also re-reads every shard and checks its rows with this; None skips that.

    Raises:
        UsageError: The folder is not a run.
        IntegrityProblem: The plan or a commit record is damaged.
    """
    plan = read_plan(run)
    records = Ledger(run, plan.fingerprint, plan.shards, plan.tables).records()
    planned = assign_shards((q.query_id for q in planned_queries(run, plan)), plan.shards)
    problems: list[str] = []
    with progress("verify", len(records)) as shown:
        for record in records.values():
            changed = _changed_files(run, plan, record)
            problems += changed
            if validate is not None and not changed:
                problems += _invalid_rows(run, plan, record, planned[record.shard], validate)
            shown.advance()
    problems += _foreign_files(run, plan, records)
    quarantined = {q: why for r in records.values() for q, why in r.quarantined.items()}
    held = sum(len(planned[shard]) for shard in records) - len(quarantined)
    return Verification(plan, len(records), held, quarantined, tuple(problems))


def _changed_files(run: RunDirectory, plan: Plan, record: CommitRecord) -> list[str]:
    problems = []
    for subject in record.subjects:
        path = run.shard_path(subject.table, record.shard, plan.shards)
        if not path.exists():
            problems.append(f"{path} is missing, although it was committed")
        elif path.stat().st_size != subject.bytes:
            problems.append(f"{path} has {path.stat().st_size} bytes, not {subject.bytes}")
        elif sha256_of_file(path) != subject.sha256:
            problems.append(f"{path} has changed since it was committed (SHA-256 differs)")
    return problems


def _invalid_rows(
    run: RunDirectory,
    plan: Plan,
    record: CommitRecord,
    planned: Sequence[str],
    validate: Validate,
) -> list[str]:
    try:
        tables = {
            table: read_shard(run.shard_path(table, record.shard, plan.shards), table)
            for table in plan.tables
        }
        validate(tables, planned, record.quarantined)
    except IntegrityProblem as error:
        return [f"shard {record.shard}: {error.message}"]
    return []


def _foreign_files(run: RunDirectory, plan: Plan, records: dict[int, CommitRecord]) -> list[str]:
    committed = {
        run.shard_path(subject.table, record.shard, plan.shards)
        for record in records.values()
        for subject in record.subjects
    }
    return [
        f"{path} was not committed by this run"
        for table in plan.tables
        for path in sorted((run.root / table).glob("*"))
        if path not in committed and not path.name.startswith(".")
    ]
