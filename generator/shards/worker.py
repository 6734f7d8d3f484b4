"""The Ray actor that fills tasks and writes attempts; the driver commits them."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import socket
import sys
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import TypedDict

import pyarrow as pa
import pyarrow.compute as pc

from rankgen.generator.engines.gauges import gauges_of
from rankgen.generator.shards.driver_variables import DriverVariables
from rankgen.generator.shards.last_words import own_log
from rankgen.generator.shards.vitals import Failing, Flowing, LastError, Vitals
from rankgen.generator.shards.work import (
    FetchesFirst,
    FilledShard,
    ShardTask,
    ShardWork,
    WorkerMustExit,
    WorkFactory,
)
from rankgen.manifests.errors import last_line
from rankgen.manifests.run.commit_record import Attempt
from rankgen.manifests.run.run_directory import RunDirectory, read_shard
from rankgen.manifests.run.store_probe import StoreToken, find_token
from rankgen.manifests.storage.atomic import whole_file
from rankgen.manifests.storage.shard import write_shard
from rankgen.manifests.storage.storage_faults import named_storage_faults


class _Flow(TypedDict, total=False):
    chains: int
    finished: Mapping[int, int]


class ShardWorker:
    """Runs one `ShardWork` in its own process, as a Ray actor (see `make_actor`)."""

    def __init__(
        self, root: Path, fingerprint: str, shards: int, factory: WorkFactory, token: StoreToken
    ) -> None:
        self._run = RunDirectory(root)
        self._fingerprint = fingerprint
        self._shards = shards
        self._factory = factory
        self._token = token
        self._work: ShardWork | None = None
        self._said: str | None = None
        self._error: LastError | None = None
        self._filling: dict[int, Path] = {}

    async def place(self) -> tuple[str, str | None]:
        """Returns Ray's id of the node and this process's log there.

        The first answer shows that Ray has placed the worker.
        """
        import ray

        return str(ray.get_runtime_context().get_node_id()), own_log()

    async def start(self, variables: DriverVariables) -> int:
        """Loads the work and returns the process id.

        Args:
            variables: The driver's keys and endpoints, which workers of a cluster lack.

        Raises:
            EnvironmentProblem: This node cannot see the run's store.
        """
        variables.take_over()
        import ray

        # Ray ships types, but not for this call.
        address = ray.util.get_node_ip_address()  # type: ignore[no-untyped-call]
        find_token(self._token, f"{socket.gethostname()} ({address})")
        if isinstance(self._factory, FetchesFirst):
            await asyncio.to_thread(self._factory.fetch, self._say)
        self._work = self._factory()
        # What is loaded stays: the collector need not go through it again and again.
        gc.collect()
        gc.freeze()
        return os.getpid()

    async def said(self) -> str | None:
        """Returns the last message of the worker's start."""
        return self._said

    async def fill(self, task: ShardTask) -> Attempt:
        """Fills the task's queries and writes the shard's attempt files.

        Raises:
            EnvironmentProblem: The disk is full or read-only, so retries are useless.
        """
        try:
            with named_storage_faults(self._run.state):
                attempt = await self._fill(task)
        except Exception as error:
            self._error = LastError(time.time(), last_line(error))
            raise
        for query in task.queries:
            if query.query_id in attempt.quarantined:
                reason = f"query {query.query_id}: {attempt.quarantined[query.query_id]}"
                self._error = LastError(time.time(), reason)
        return attempt

    async def _fill(self, task: ShardTask) -> Attempt:
        assert self._work is not None, "start() comes first"
        # Durations come from the monotonic clock: the time of day may jump.
        began, clock = time.time(), time.monotonic()
        self._filling[task.shard] = journal = self._run.journal_of(task.shard)
        try:
            filled = await self._work.fill(task.queries, journal)
        except WorkerMustExit as reason:
            print(f"this worker must exit: {reason}", file=sys.stderr, flush=True)
            # After an exception, the process with its dead engine would get more tasks.
            os._exit(1)
        finally:
            del self._filling[task.shard]
        name = f"{task.shard:05d}.{task.revision}-{uuid.uuid4().hex}"
        done = {query.query_id for query in task.queries}
        # In a thread, because the chains of other shards are running.
        tables = await asyncio.to_thread(self._write, task, name, filled, done)
        return Attempt(
            shard=task.shard,
            revision=task.revision,
            name=name,
            quarantined=dict(sorted({**task.not_filled(), **filled.failed}.items())),
            counts=dict(self._work.counts(tables)),
            facts={
                **self._work.facts(),
                **filled.facts,
                "worker": _own_name(),
                "began": round(began, 3),
                "filled": len(done - filled.failed.keys()),
                "seconds": round(time.monotonic() - clock, 3),
            },
        )

    def _write(
        self, task: ShardTask, name: str, filled: FilledShard, done: set[str]
    ) -> dict[str, pa.Table]:
        tables = {
            table: self._merge_published(task, table, rows, done)
            for table, rows in filled.tables.items()
        }
        for table, rows in tables.items():
            path = self._run.attempts / name / f"{table}.parquet"
            with whole_file(path) as draft:
                write_shard(draft, table, rows, self._fingerprint)
        return tables

    async def stop(self) -> None:
        """Closes the work, so that an engine's own processes end with this one."""
        if self._work is not None:
            await self._work.close()

    async def vitals(self) -> Vitals:
        """Returns the state of the work; without an answer, the process is blocked."""
        work, gauges = self._work, dict[str, float]()
        # An engine may work even if its gauges fail; an error here would look like a stall.
        with contextlib.suppress(Exception):
            gauges.update(gauges_of(work))
        return Vitals(
            worker=_own_name(),
            progress=0 if work is None else work.progress(),
            gauges=gauges,
            **_flow(work, self._filling),
            error=(work.last_error if isinstance(work, Failing) else None) or self._error,
        )

    def _say(self, sentence: str) -> None:
        if sentence != self._said:
            print(sentence, file=sys.stderr, flush=True)
            self._said = sentence

    def _merge_published(
        self, task: ShardTask, table: str, rows: pa.Table, done: set[str]
    ) -> pa.Table:
        public = self._run.shard_path(table, task.shard, self._shards)
        if task.revision == 0 or not public.exists():
            return rows
        published = read_shard(public, table)
        again = pc.is_in(published["query_id"], value_set=pa.array(sorted(done), pa.string()))
        return pa.concat_tables([published.filter(pc.invert(again)), rows])


def _flow(work: object, filling: Mapping[int, Path]) -> _Flow:
    if not isinstance(work, Flowing):
        return {}
    finished = {shard: work.finished(journal) for shard, journal in filling.items()}
    return {"chains": work.chains(), "finished": finished}


def _own_name() -> str:
    return f"{socket.gethostname()}-{os.getpid()}"
