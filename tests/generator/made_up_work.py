"""A job without models or candidates: it publishes its own queries."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pyarrow as pa
from pydantic import JsonValue

from rankgen.generator.shards.job import ShardJob
from rankgen.generator.shards.pool_settings import PoolSettings
from rankgen.generator.shards.work import FilledShard, WorkFactory
from rankgen.manifests.records import Query
from rankgen.manifests.run.plan import Plan, digest_of_queries
from rankgen.manifests.run.query_table import QueryTable
from rankgen.manifests.run.run_directory import RunDirectory


@dataclass(frozen=True)
class MadeUpWork:
    """Work that is its own factory; subclasses add what happens before a shard is filled."""

    def __call__(self) -> Self:
        return self

    async def fill(self, queries: Sequence[Query], journal: Path) -> FilledShard:
        return FilledShard({"queries": pa.Table.from_pylist([q._asdict() for q in queries])}, {})

    def counts(self, tables: Mapping[str, pa.Table]) -> Mapping[str, int]:
        return {}

    def progress(self) -> int:
        return 0

    async def close(self) -> None:
        pass

    def facts(self) -> Mapping[str, JsonValue]:
        return {}


def made_up_job(
    out: Path,
    factory: WorkFactory,
    pool: PoolSettings,
    *,
    queries: int,
    shards: int,
    address: str | None = None,
) -> ShardJob:
    from ray import cloudpickle

    # Workers cannot import the modules of tests.
    for module in (__name__, type(factory).__module__):
        cloudpickle.register_pickle_by_value(sys.modules[module])
    asked = [Query(f"q{n:02}", "text") for n in range(queries)]
    plan = Plan(
        kind="retrieve",
        tables=("queries",),
        recipe={},
        settings={},
        shards=shards,
        queries=queries,
        queries_sha256=digest_of_queries(asked),
    )
    return ShardJob(
        run=RunDirectory(out),
        plan=plan,
        unit="queries",
        queries=QueryTable(asked),
        factory=factory,
        validate=lambda tables, planned, quarantined: None,
        finish=lambda: None,
        pool=lambda: pool,
        ray_address=address,
    )
