"""Gathers requests into batches, and hands each its answer when its batch is over.

The windows of a query depend on each other, so a batch has one window of each query in flight, and
the next round begins when it is over. A batch is sent off when no request has come for a while, as
then all chains wait.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rankgen.generator.engines.batch.faults import broken, fruitless, unanswered
from rankgen.generator.engines.batch.finished import lines_of, until_over
from rankgen.generator.engines.batch.lines import Line
from rankgen.generator.engines.batch.records import BatchFolder, request_lines
from rankgen.generator.engines.batch.transport import REQUESTS_PATH, BatchTransport, Seen

# OpenAI's limits are 50,000 requests and 200 MB.
MOST_REQUESTS, MOST_BYTES = 50_000, 150_000_000
_MOST_TRIES = 4
_FRUITLESS = 3


@dataclass
class _Wanted:
    """A request that somebody waits for."""

    body: Mapping[str, object]
    answer: asyncio.Future[Line] = field(default_factory=asyncio.Future)
    tries: int = 0
    waiting: int = 0


class BatchRounds:
    """The batches of one worker, and those that earlier workers of the run have left.

    Args:
        transport: Speaks to the server.
        folder: The run's batches.
        quiet_s: Seconds without a new request after which a batch is sent off, and before the
            first look at it.
    """

    def __init__(self, transport: BatchTransport, folder: BatchFolder, quiet_s: float) -> None:
        self._transport, self._folder, self._quiet_s = transport, folder, quiet_s
        self._wanted: dict[str, _Wanted] = {}
        # Answers of earlier workers' batches that nobody has asked for yet.
        self._found: dict[str, Line] = {}
        self._queue: dict[str, None] = {}
        # Requests -> the number of open batches that have them.
        self._held: Counter[str] = Counter()
        # Own batches that are over -> the requests whose answers nobody has taken.
        self._read: dict[str, set[str]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._gatherer: asyncio.Task[None] | None = None
        self._adoption: asyncio.Task[None] | None = None
        self._arrivals = self._fruitless = 0
        self.open = 0

    async def answer(self, name: str, body: Mapping[str, object]) -> Line:
        """Returns the final line about a request, from a batch of an earlier process if one has it.

        Raises:
            TeacherFailure: The request failed in several batches.
            RankgenError: No batch can be had.
        """
        if self._adoption is None:
            self._adoption = asyncio.create_task(self._adopt())
        await asyncio.shield(self._adoption)
        line = self._found.pop(name, None)
        if line is None:
            line = await self._awaited(name, body)
        for left in self._read.values():
            left.discard(name)
        return line

    async def _awaited(self, name: str, body: Mapping[str, object]) -> Line:
        wanted = self._wanted.setdefault(name, _Wanted(body))
        wanted.waiting += 1
        if wanted.waiting == 1 and not self._held[name]:
            self._enlist(name)
        try:
            # Two chains of a query may ask for the same window at once.
            return await asyncio.shield(wanted.answer)
        finally:
            wanted.waiting -= 1
            if not wanted.waiting:
                del self._wanted[name]
                self._queue.pop(name, None)

    async def close(self) -> None:
        """Leaves the batches to the server; a later process finds them again."""
        for task in (*self._tasks, self._gatherer, self._adoption):
            if task is not None:
                task.cancel()

    async def _adopt(self) -> None:
        for record in self._folder.open():
            if record.broken == "lost":
                continue
            batch_id = record.batch_id or await self._transport.find(record.stem)
            if batch_id is None:
                continue  # Never created, or another worker is about to.
            if record.batch_id is None:
                self._folder.created(record.stem, batch_id)
            is_known = record.broken is not None
            self._begin(record.stem, batch_id, record.names, is_own=False, may_break=is_known)

    def _enlist(self, name: str) -> None:
        self._queue[name] = None
        self._arrivals += 1
        if self._gatherer is None or self._gatherer.done():
            self._gatherer = asyncio.create_task(self._gather())

    async def _gather(self) -> None:
        while self._queue:
            seen = -1
            while seen != self._arrivals and len(self._queue) < MOST_REQUESTS:
                seen = self._arrivals
                await asyncio.sleep(self._quiet_s)
            names = self._next_names()
            if not names:
                continue
            try:
                await self._submit(names)
            # Whoever waits for these answers is told; else this task would end without a word.
            except Exception as error:
                self._fail(names, error)

    def _next_names(self) -> list[str]:
        """Takes the requests of the next batch out of the queue."""
        names, size = list[str](), 0
        for name in list(self._queue):
            size += len(repr(self._wanted[name].body))
            if names and (size > MOST_BYTES or len(names) >= MOST_REQUESTS):
                break
            names.append(name)
            del self._queue[name]
        return names

    async def _submit(self, names: list[str]) -> None:
        for stem in [stem for stem, left in self._read.items() if not left]:
            # Whoever took these answers has journalled them, or would not be asking again.
            self._folder.forget(stem)
            del self._read[stem]
        bodies = ((name, self._wanted[name].body) for name in names)
        requests = request_lines(REQUESTS_PATH, bodies)
        stem = await asyncio.to_thread(self._folder.add, requests)
        batch_id = await self._transport.create(stem, requests)
        self._folder.created(stem, batch_id)
        self._begin(stem, batch_id, names, is_own=True, may_break=False)

    def _begin(
        self, stem: str, batch_id: str, names: Iterable[str], *, is_own: bool, may_break: bool
    ) -> None:
        self._held.update(frozenset(names))
        watch = self._watch(stem, batch_id, frozenset(names), is_own, may_break)
        task = asyncio.create_task(watch)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _watch(
        self, stem: str, batch_id: str, names: frozenset[str], is_own: bool, may_break: bool
    ) -> None:
        self.open += 1
        try:
            seen = await until_over(self._transport, batch_id, self._quiet_s)
            lines = {} if seen is None else await lines_of(self._transport, seen)
            final = {name: line for name, line in lines.items() if line.is_final}
            if is_own:
                self._read[stem] = set(names)
            self._held.subtract(names)
            self._deliver(final)
            self._fruitless = 0 if final else self._fruitless + 1
            self._ask_rest(stem, batch_id, seen, names - final.keys(), lines, may_break)
        # As above: the error is that of everybody who waits for this batch.
        except Exception as error:
            self._held.subtract(names)
            self._fail(names, error)
        finally:
            self.open -= 1

    def _deliver(self, final: Mapping[str, Line]) -> None:
        for name, line in final.items():
            wanted = self._wanted.get(name)
            if wanted is None or wanted.answer.done():
                self._found[name] = line
            else:
                wanted.answer.set_result(line)

    def _ask_rest(
        self,
        stem: str,
        batch_id: str,
        seen: Seen | None,
        rest: Iterable[str],
        lines: Mapping[str, Line],
        may_break: bool,
    ) -> None:
        """Asks again for what the batch has not answered, or says why that is no use."""
        self._read.get(stem, set()).difference_update(rest)
        # Another batch may have what this one lacks.
        waiting = [name for name in rest if name in self._wanted and not self._held[name]]
        server = self._transport.shown
        how = "lost" if seen is None else "cancelled" if seen.status == "cancelled" else None
        if how is not None and not may_break:
            self._folder.broke(stem, how)
            self._fail(waiting, broken(server, batch_id, how))
            return
        if self._fruitless >= _FRUITLESS and seen is not None:
            self._fail(waiting, fruitless(server, self._fruitless, seen, lines.values()))
            return
        for name in waiting:
            wanted = self._wanted[name]
            wanted.tries += 1
            if wanted.tries < _MOST_TRIES:
                self._enlist(name)
            else:
                self._fail([name], unanswered(server, wanted.tries, seen, lines.get(name)))

    def _fail(self, names: Iterable[str], error: Exception) -> None:
        for name in names:
            wanted: Any = self._wanted.get(name)
            if wanted is not None and not wanted.answer.done():
                wanted.answer.set_exception(error)
