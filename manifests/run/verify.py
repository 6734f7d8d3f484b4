"""Checks a run against its ledger for missing, changed and foreign files."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from rankgen.manifests.errors import IntegrityProblem
from rankgen.manifests.progress import progress
from rankgen.manifests.run.commit_record import CommitRecord
from rankgen.manifests.run.ledger import Ledger, Validate
from rankgen.manifests.run.plan import Plan, planned_queries, read_plan
from rankgen.manifests.run.provenance import all_quarantined, committed_files, is_told, total_counts
from rankgen.manifests.run.query_table import shard_size
from rankgen.manifests.run.run_directory import RunDirectory, read_shard
from rankgen.manifests.schema import TABLES
from rankgen.manifests.storage.digest import sha256_of_file


@dataclass(frozen=True)
class Verification:
    """The result of a check.

    Attributes:
        shards: Number of committed shards.
        queries: Number of queries in them.
        quarantined: query_id -> reason.
        is_finished: Whether the manifest covers the latest commits; repeating the run's command
            finishes a run whose manifest does not.
        problems: One sentence per problem.
    """

    plan: Plan
    shards: int
    queries: int
    quarantined: dict[str, str]
    is_finished: bool
    problems: tuple[str, ...]


def verify_run(run: RunDirectory, validate: Validate | None) -> Verification:
    """Checks every published file's size and SHA-256, and that there are no other files.

    Shards are compared with their commits. Once the run is finished, texts, judgements and a TREC
    run are compared with the manifest, and the manifest with the commits.

    Args:
        run: The run.
        validate: Checks the rows of every shard, which is then read whole; None skips this.

    Raises:
        UsageError: The folder is not a run.
        IntegrityProblem: The plan or a commit record is damaged.
    """
    plan = read_plan(run)
    records = Ledger(run, plan.fingerprint, plan.shards, plan.tables).records()
    planned = planned_queries(run, plan)
    problems: list[str] = []
    with progress("verify", len(records)) as shown:
        for record in records.values():
            changed = _changed_files(run, plan, record)
            problems += changed
            if validate is not None and not changed:
                query_ids = [q.query_id for q in planned.of_shard(record.shard, plan.shards)]
                problems += _invalid_rows(run, plan, record, query_ids, validate)
            shown.advance()
    is_finished = len(records) == plan.shards and is_told(run, records)
    committed = committed_files(run, plan, records)
    # The texts of an unfinished run are not recorded anywhere yet.
    known, found = set(committed), _files_in(run, plan.tables)
    if is_finished:
        digests, predicate = _manifest(run)
        problems += _changed_values(run, plan, records, predicate)
        problems += _changed_subjects(run, committed, digests)
        known, found = known.union(digests), _files_in(run, TABLES)
        # Manifests of earlier versions named tables only.
        found += run.loose_files() if "commits_sha256" in predicate else []
    # Readers would take a foreign file for part of the run.
    problems += [
        f"{path} was not published by this run"
        for path in found
        if run.name_of(path) not in known and not path.name.startswith(".")
    ]
    quarantined = all_quarantined(records)
    sizes = (shard_size(plan.queries, shard, plan.shards) for shard in records)
    held = sum(sizes) - len(quarantined)
    return Verification(plan, len(records), held, quarantined, is_finished, tuple(problems))


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
    run: RunDirectory, plan: Plan, record: CommitRecord, planned: Sequence[str], validate: Validate
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


def _manifest(run: RunDirectory) -> tuple[dict[str, str], dict[str, JsonValue]]:
    """Returns file name -> SHA-256, and the description of the run."""
    content = json.loads(run.manifest.read_text(encoding="utf-8"))
    try:
        digests = {subject["name"]: subject["digest"]["sha256"] for subject in content["subject"]}
        return digests, content["predicate"]
    except (KeyError, TypeError):
        raise IntegrityProblem(
            f"{run.manifest} is damaged", "restore it from a copy of the run"
        ) from None


def _changed_values(
    run: RunDirectory, plan: Plan, records: dict[int, CommitRecord], predicate: dict[str, JsonValue]
) -> list[str]:
    expected = {
        "fingerprint": plan.fingerprint,
        "recipe": plan.recipe,
        "queries": plan.queries,
        "shards": plan.shards,
        "counts": total_counts(records),
    }
    return [
        f"{run.manifest} has another value of {key} than the run's plan and commits"
        for key, value in expected.items()
        if predicate.get(key) != value
    ]


def _changed_subjects(
    run: RunDirectory, committed: dict[str, str], digests: dict[str, str]
) -> list[str]:
    """Compares the manifest's digests with the commits, and with the files that are in none."""
    problems = []
    for name, digest in digests.items():
        path = run.root / name
        if name in committed:
            if committed[name] != digest:
                problems.append(f"{run.manifest} gives {name} another SHA-256 than its commit")
        elif ".." in Path(name).parts or not path.exists():
            problems.append(f"{path} is missing, although the manifest names it")
        elif sha256_of_file(path) != digest:
            problems.append(f"{path} has changed since the run was finished (SHA-256 differs)")
    return problems


def _files_in(run: RunDirectory, tables: Iterable[str]) -> list[Path]:
    return [path for table in tables for path in sorted((run.root / table).glob("*"))]
