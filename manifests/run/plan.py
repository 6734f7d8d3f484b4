"""The plan of a run: its queries, shards and recipe, written once."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, JsonValue

from rankgen.manifests.errors import IntegrityProblem, UsageError, reason_of
from rankgen.manifests.records import Query
from rankgen.manifests.run.query_table import QueryTable, stored_queries
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.schema import SCHEMA_VERSION
from rankgen.manifests.storage.atomic import local_file, put_if_absent, whole_file, write_whole
from rankgen.manifests.storage.digest import canonical_json, sha256_of_value

QUERIES_PER_SHARD = 100
Kind = Literal["retrieve", "label", "rerank", "negatives", "import", "subsample", "mix"]
# Keys of a recipe that name the version of a package that makes the results.
VERSION_PREFIX = "versions."


class Plan(BaseModel, frozen=True, extra="forbid"):
    """What a run promises to publish.

    Attributes:
        tables: The tables that every shard publishes.
        recipe: Every value that changes the result.
        settings: Every other value the run was started with, for the record.
        shards: The number of shards; a query's shard depends on its id and this number alone.
        queries_sha256: Digest of the ids and texts of the planned `queries`.
    """

    kind: Kind
    tables: tuple[str, ...]
    recipe: dict[str, JsonValue]
    settings: dict[str, JsonValue]
    shards: int
    queries: int
    queries_sha256: str
    schema_version: int = SCHEMA_VERSION

    @property
    def fingerprint(self) -> str:
        """Digest of everything that changes the published bytes."""
        return sha256_of_value(
            {
                "kind": self.kind,
                "recipe": self.recipe,
                "shards": self.shards,
                "queries_sha256": self.queries_sha256,
                "schema_version": self.schema_version,
            }
        )


def default_shards(queries: int) -> int:
    """Returns the number of shards that gives each about a hundred of `queries` queries."""
    return max(1, -(-queries // QUERIES_PER_SHARD))


def digest_of_queries(queries: Iterable[Query]) -> str:
    """Returns the digest of ids and texts, independent of their order."""
    return stored_queries(queries).digest()


def open_plan(
    run: RunDirectory, plan: Plan, queries: Iterable[Query], other_driver: str | None = None
) -> Plan:
    """Writes the plan of a new run, or checks that an existing run has the same plan.

    The plan of a run without any work is replaced, unless another driver has just begun.

    Args:
        run: The run.
        plan: The plan that this driver wants.
        queries: The queries of that plan.
        other_driver: Name of another process that works on the run now.

    Raises:
        UsageError: The folder holds something that is not a run, or a run with another recipe;
            the message shows the first differences.
    """
    if not run.plan.exists():
        refuse_foreign_folder(run)
        _write_queries(run, plan, queries)
        put_if_absent(run.plan, _text(plan))
    existing = read_plan(run)
    if existing.fingerprint != plan.fingerprint:
        difference = describe_difference(existing, plan)
        if other_driver is not None:
            raise UsageError(
                f"{other_driver} is working on {run.root} with another recipe: {difference}",
                "wait until it ends, or choose another --out",
            )
        if holds_no_work(run):
            _write_queries(run, plan, queries)
            write_whole(run.plan, _text(plan))
            return read_plan(run)
        if without_versions(existing).fingerprint == without_versions(plan).fingerprint:
            named = difference.replace(VERSION_PREFIX, "")
            raise UsageError(
                f"{run.root} was begun with other versions: {named}",
                "install those, or add --allow-other-versions to use both in one run",
            )
        raise UsageError(
            f"{run.root} was made by another recipe: {difference}",
            "choose another --out, or repeat the command with the values it was made with",
        )
    return existing


def refuse_foreign_folder(run: RunDirectory) -> None:
    """Checks that the folder is new, empty or a run.

    Raises:
        UsageError: The folder holds something that is not a run, or is a file.
    """
    root = run.root
    if run.plan.exists():
        return
    if root.exists() and not root.is_dir():
        raise UsageError(f"{root} is a file", "name a folder with --out")
    if root.is_dir() and any(entry.name != ".rankgen" for entry in root.iterdir()):
        raise UsageError(
            f"{root} exists, is not empty and is not a run of rankgen",
            "name a new folder with --out",
        )


def read_plan(run: RunDirectory) -> Plan:
    """Reads the plan of an existing run.

    Raises:
        UsageError: The folder is not a run.
        IntegrityProblem: The plan is damaged.
    """
    try:
        text = run.plan.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UsageError(
            f"{run.root} is not a run of rankgen (it has no .rankgen/plan.json)",
            "name the folder that was given to --out",
        ) from None
    try:
        return Plan.model_validate(json.loads(text))
    except ValueError as error:
        raise IntegrityProblem(
            f"{run.plan} is damaged: {reason_of(error)}", "restore the file from a copy of the run"
        ) from None


def planned_queries(run: RunDirectory, plan: Plan) -> QueryTable:
    """Reads the planned queries.

    Raises:
        IntegrityProblem: The stored queries are missing or are not the planned ones.
    """
    path = queries_path(run, plan)
    try:
        with local_file(path) as local:
            queries = QueryTable(_queries_in(local))
    except (OSError, pa.ArrowException):
        raise IntegrityProblem(
            f"{path} is missing or damaged", "restore it from a copy of the run"
        ) from None
    if queries.digest() != plan.queries_sha256:
        raise IntegrityProblem(
            f"{path} does not hold the planned queries", "restore it from a copy of the run"
        )
    return queries


def without_versions(plan: Plan) -> Plan:
    """Returns the plan without the keys of its recipe that name package versions."""
    recipe = {k: v for k, v in plan.recipe.items() if not k.startswith(VERSION_PREFIX)}
    return plan.model_copy(update={"recipe": recipe})


def _queries_in(path: Path) -> Iterator[Query]:
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(columns=["query_id", "text"], use_threads=False):
            yield from map(Query, *(column.to_pylist() for column in batch.columns))


def describe_difference(existing: Plan, wanted: Plan) -> str:
    """Returns one line on how two plans differ, such as "window 20 -> 10"."""
    before = {"kind": existing.kind, "shards": existing.shards, **existing.recipe}
    after = {"kind": wanted.kind, "shards": wanted.shards, **wanted.recipe}
    changes = [
        f"{key} {_short(before.get(key))} -> {_short(after.get(key))}"
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key)
    ]
    if existing.queries_sha256 != wanted.queries_sha256:
        changes.append(f"queries {existing.queries} -> {wanted.queries} (other ids or texts)")
    return "; ".join(changes[:4]) or "another version of the schema"


def _text(plan: Plan) -> bytes:
    return (canonical_json(plan.model_dump(mode="json")) + "\n").encode()


def holds_no_work(run: RunDirectory) -> bool:
    """Tells whether a run has a plan but no work yet, as when a model could not be loaded."""
    if any(run.batches.glob("*.jsonl")):
        return False  # Paid for, though nothing is journalled yet.
    return not any(run.commits.glob("*.json")) and not any(run.journal.glob("*/*.jsonl"))


def _short(value: JsonValue) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 40 else text[:12] + "…"


def queries_path(run: RunDirectory, plan: Plan) -> Path:
    """Returns the path of the planned queries, a Parquet file sorted by id."""
    return run.state / f"queries-{plan.queries_sha256[:16]}.parquet"


def _write_queries(run: RunDirectory, plan: Plan, queries: Iterable[Query]) -> None:
    with whole_file(queries_path(run, plan)) as draft:
        stored_queries(queries).write(draft)
