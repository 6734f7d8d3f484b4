"""The contract between the engine and what fills a shard."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol, runtime_checkable

import pyarrow as pa
from pydantic import JsonValue

from rankgen.manifests.records import Query


class WorkerMustExit(Exception):
    """The worker's process cannot serve any longer (a dead engine); it is replaced.

    Raising anything else keeps the process in service, which for a dead engine would fail every
    later shard too (ray#60145, ray#59986).
    """


@dataclass(frozen=True)
class FilledShard:
    """The rows for the queries of one task.

    Attributes:
        tables: Table name -> rows with that table's schema.
        failed: query_id -> reason; a query is either in the rows or here.
        facts: How this attempt went, for the commit record; not what the shard holds.
    """

    tables: Mapping[str, pa.Table]
    failed: Mapping[str, str]
    facts: Mapping[str, JsonValue] = field(default_factory=dict)


class ShardWork(Protocol):
    """Fills shards; lives in a worker process, made there once by a `WorkFactory`."""

    async def fill(self, queries: Sequence[Query], journal: Path) -> FilledShard:
        """Returns rows for every query, or a reason why there are none.

        Args:
            queries: What to fill.
            journal: The shard's own folder for work in progress; it outlives this process, and
                what earlier attempts at the shard left in it may be used.

        Raises:
            WorkerMustExit: This process cannot serve any longer.
        """

    def counts(self, tables: Mapping[str, pa.Table]) -> Mapping[str, int]:
        """Returns the totals of a shard, such as windows and tokens, from all rows it will hold.

        They are derived from the rows, never added up over attempts: a query that was tried twice
        counts as its rows say.
        """

    def progress(self) -> int:
        """Returns a number that grows whenever something was done; it standing still is a stall."""

    async def close(self) -> None:
        """Frees what the work holds."""

    def facts(self) -> Mapping[str, JsonValue]:
        """Returns with what the rows are made: model revision, engine, versions, devices."""


class WorkFactory(Protocol):
    """Makes the work inside the worker process; must pickle."""

    def __call__(self) -> ShardWork:
        """Loads models and opens indexes, once per worker."""


@runtime_checkable
class FetchesFirst(Protocol):
    """A `WorkFactory` that downloads what it loads."""

    def fetch(self, say: Callable[[str], None]) -> None:
        """Called before the work is made, in a thread: a download may take an hour.

        Args:
            say: Shows a sentence to the user.
        """


@dataclass(frozen=True)
class ShardTask:
    """One shard, or what is still missing of it.

    Attributes:
        shard: Its number in the plan.
        revision: The number of the commit that the attempt aims at.
        queries: The queries to do; those of the published revision are kept beside them.
        later: Queries that a bisected shard does in its next revision.
        given_up: query_id -> reason, for queries that killed their worker again and again.
        failed: query_id -> reason, for queries that an earlier revision tried in vain.
    """

    shard: int
    revision: int
    queries: Sequence[Query]
    later: Sequence[Query] = ()
    given_up: Mapping[str, str] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)

    def split(self, reason: str) -> ShardTask:
        """Returns the task to run instead of this one, which keeps killing its worker.

        Halves the queries; a single query is given up, and is then the poison itself.
        """
        if len(self.queries) <= 1:
            poison = {query.query_id: reason for query in self.queries}
            return replace(self, queries=(), given_up={**self.given_up, **poison})
        half = len(self.queries) // 2
        return replace(self, queries=self.queries[:half], later=(*self.queries[half:], *self.later))

    def next(self, quarantined: Mapping[str, str]) -> ShardTask | None:
        """Returns what follows once this task is committed; None when the shard is done.

        Args:
            quarantined: query_id -> reason, as the commit says.
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
