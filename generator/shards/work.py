"""The interface between the shard engine and the work that fills a shard."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol, runtime_checkable

import pyarrow as pa
from pydantic import JsonValue

from rankgen.manifests.records import Query


class WorkerMustExit(Exception):
    """The worker process can no longer work (a dead engine) and must be replaced.

    After any other exception the process gets more shards, all of which a dead engine would fail
    (ray#60145, ray#59986).
    """


@dataclass(frozen=True)
class FilledShard:
    """The rows for the queries of one task.

    Attributes:
        tables: Table name -> rows with that table's schema.
        failed: query_id -> reason; every query is either in the rows or here.
        facts: Facts about this attempt for the commit record, not about the rows.
    """

    tables: Mapping[str, pa.Table]
    failed: Mapping[str, str]
    facts: Mapping[str, JsonValue] = field(default_factory=dict)


class ShardWork(Protocol):
    """Fills shards in a worker process; created there once by a `WorkFactory`."""

    async def fill(self, queries: Sequence[Query], journal: Path) -> FilledShard:
        """Returns rows for every query, or the reason why it failed.

        Args:
            queries: The queries to fill.
            journal: The shard's folder for work in progress. It outlives this process, and files
                of earlier attempts in it may be used.

        Raises:
            WorkerMustExit: This process can no longer work.
        """

    def counts(self, tables: Mapping[str, pa.Table]) -> Mapping[str, int]:
        """Returns the totals of a shard, such as windows and tokens, from all its rows.

        Totals are derived from the rows and never summed over attempts, so that a query that was
        tried twice counts once.
        """

    def progress(self) -> int:
        """Returns a number that grows with the work done; a standstill means a hang."""

    async def close(self) -> None:
        """Ends engines, threads and connections."""

    def facts(self) -> Mapping[str, JsonValue]:
        """Returns what the rows are made with: model revision, engine, versions, devices."""


class WorkFactory(Protocol):
    """Creates the work in the worker process; must be picklable."""

    def __call__(self) -> ShardWork:
        """Loads models and opens indexes, once per worker."""


@runtime_checkable
class FetchesFirst(Protocol):
    """A `WorkFactory` that downloads what it loads."""

    def fetch(self, say: Callable[[str], None]) -> None:
        """Downloads files before the work is created; called in a thread, as it may take an hour.

        Args:
            say: Shows a sentence to the user.
        """


@dataclass(frozen=True)
class ShardTask:
    """The task to fill a shard, or the part of it that is still missing.

    Attributes:
        shard: Its number in the plan.
        revision: The number of the commit that the attempt is for.
        queries: The queries to fill; the rows of the published revision are kept.
        later: Queries that a bisected shard leaves for its next revision.
        given_up: query_id -> reason, for queries that repeatedly killed their worker.
        failed: query_id -> reason, for queries that failed in an earlier revision.
    """

    shard: int
    revision: int
    queries: Sequence[Query]
    later: Sequence[Query] = ()
    given_up: Mapping[str, str] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)

    def split(self, reason: str) -> ShardTask:
        """Returns the task to run instead of this one, which keeps killing its worker.

        Halves the queries; a single query is the cause itself and is given up.
        """
        if len(self.queries) <= 1:
            poison = {query.query_id: reason for query in self.queries}
            return replace(self, queries=(), given_up={**self.given_up, **poison})
        half = len(self.queries) // 2
        return replace(self, queries=self.queries[:half], later=(*self.queries[half:], *self.later))

    def next(self, quarantined: Mapping[str, str]) -> ShardTask | None:
        """Returns the task that follows the commit of this one; None if the shard is done.

        Args:
            quarantined: query_id -> reason, from the commit.
        """
        if not self.later:
            return None
        tried = {
            q.query_id: quarantined[q.query_id] for q in self.queries if q.query_id in quarantined
        }
        failed = {**self.failed, **tried}
        return replace(
            self, revision=self.revision + 1, queries=self.later, later=(), failed=failed
        )

    def not_filled(self) -> dict[str, str]:
        """Returns query_id -> reason for the planned queries that this task does not try."""
        waiting = {query.query_id: "not tried yet" for query in self.later}
        return {**self.given_up, **self.failed, **waiting}
