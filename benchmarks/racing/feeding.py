"""Who feeds a simulated engine: chains from shards, lock-step, a queue for 32, all at once.

Each system has one thread that prepares prompts and reads answers; `host` is its seconds a window.
Several workers are several engines: rankgen's are given shards of one plan, while users of the
others give every process a fixed part of the queries.
"""

from __future__ import annotations

import functools
import random
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from racing.simulated import EngineShape, Request, SimulatedEngine

QUEUE, CHAINS = 32, 256


@dataclass(frozen=True)
class Work:
    """What is to be labelled.

    Attributes:
        queries: The number of queries.
        windows: Windows of each.
        prompt: Mean tokens of a prompt.
        spread: The standard deviation of a prompt's tokens.
        answer: Tokens of an answer.
        shard: Queries of a shard.
    """

    queries: int
    windows: int
    prompt: float
    spread: float
    answer: int
    shard: int = 100

    def request(self, query: int, window: int) -> Request:
        """Returns one window; the same in every simulation."""
        drawn = _prompts(self.queries * self.windows, self.prompt, self.spread)
        return Request(query, window, drawn[query * self.windows + window], self.answer)


class Worker(ABC):
    """One engine and its feeder."""

    def __init__(self, shape: EngineShape, work: Work, host: float) -> None:
        self.engine = SimulatedEngine(shape, self._finished)
        self.work, self.host = work, host
        self.host_free = self.last_begun = self.ended = 0.0

    def send(self, query: int, window: int, time: float) -> None:
        """Has the host prepare a window, after what it prepares already."""
        self.host_free = max(time, self.host_free) + self.host
        if window == 0:
            self.last_begun = self.host_free
        self.engine.send(self.work.request(query, window), self.host_free)

    @abstractmethod
    def begin(self) -> None:
        """Sends the first windows."""

    @abstractmethod
    def next(self, request: Request, time: float) -> None:
        """Goes on after an answer."""

    def _finished(self, request: Request, time: float) -> None:
        self.ended = time
        self.next(request, time)


class Chains(Worker):
    """Rankgen: so many chains in flight, from shards that are given as they are needed."""

    def __init__(self, shape: EngineShape, work: Work, host: float, plan: Plan) -> None:
        super().__init__(shape, work, host)
        self._plan, self._own, self._flying = plan, deque[int](), 0
        # Shard -> queries that are not done.
        self._held = dict[int, int]()

    def begin(self) -> None:
        """Does nothing: the plan gives the first shards."""

    def may_take(self, share: int) -> bool:
        """Says whether it gets another shard; see `rankgen.generator.shards.sharing`."""
        if not self._held:
            return True
        return len(self._held) < share and sum(self._held.values()) < CHAINS + self.work.shard

    @property
    def shards(self) -> int:
        """The shards that it works on."""
        return len(self._held)

    def take(self, shard: int, queries: Sequence[int], time: float) -> None:
        """Takes a shard."""
        self._held[shard] = len(queries)
        self._own.extend(queries)
        while self._own and self._flying < CHAINS:
            self._flying += 1
            self.send(self._own.popleft(), 0, time)

    def next(self, request: Request, time: float) -> None:
        """Sends the next window of the chain, or begins another query."""
        if request.window + 1 < self.work.windows:
            self.send(request.query, request.window + 1, time)
            return
        shard = request.query // self.work.shard
        self._held[shard] -= 1
        self._flying -= 1
        if self._own:
            self._flying += 1
            self.send(self._own.popleft(), 0, time)
        if not self._held[shard]:
            del self._held[shard]
            self._plan.feed(time)


class Plan:
    """The shards that nobody has yet; workers take turns, as in `rankgen.generator.shards.pool`."""

    def __init__(self, work: Work) -> None:
        self._left = deque(enumerate(shards_of(work)))
        self.workers = list[Chains]()

    def feed(self, time: float) -> None:
        """Gives shards to workers that have room for them."""
        tasks = len(self._left) + sum(worker.shards for worker in self.workers)
        share = -(-tasks // len(self.workers))
        hungry = deque(self.workers)
        while hungry and self._left:
            worker = hungry.popleft()
            if worker.may_take(share):
                worker.take(*self._left.popleft(), time)
                hungry.append(worker)


class LockStep(Worker):
    """rank-llm 0.25.7: one window of every query, and the next ones when all are answered."""

    def __init__(self, shape: EngineShape, work: Work, host: float, own: Sequence[int]) -> None:
        super().__init__(shape, work, host)
        self._own, self._open = own, 0

    def begin(self) -> None:
        """Sends the first window of every query."""
        self._together(0, 0.0)

    def next(self, request: Request, time: float) -> None:
        """Waits for the others, then sends the next window of every query."""
        self._open -= 1
        if not self._open and request.window + 1 < self.work.windows:
            self._together(request.window + 1, time)

    def _together(self, window: int, time: float) -> None:
        self._open = len(self._own)
        # All prompts are rendered before the first one is sent.
        time += self.host * len(self._own)
        if window == 0:
            self.last_begun = time
        for query in self._own:
            self.engine.send(self.work.request(query, window), time)


class Queue(Worker):
    """rank-llm's later releases: 32 requests in flight, the next windows behind all first ones."""

    def __init__(self, shape: EngineShape, work: Work, host: float, own: Sequence[int]) -> None:
        super().__init__(shape, work, host)
        self._line = deque((query, 0) for query in own)

    def begin(self) -> None:
        """Sends the first 32."""
        for _ in range(QUEUE):
            self._go_on(0.0)

    def next(self, request: Request, time: float) -> None:
        """Puts the query's next window at the end of the line."""
        if request.window + 1 < self.work.windows:
            self._line.append((request.query, request.window + 1))
        self._go_on(time)

    def _go_on(self, time: float) -> None:
        if self._line:
            self.send(*self._line.popleft(), time)


class AllAtOnce(Worker):
    """The engine's limit: every window at once, as if no answer were needed for the next."""

    def __init__(self, shape: EngineShape, work: Work, own: Sequence[int]) -> None:
        super().__init__(shape, work, 0.0)
        self._own = own

    def begin(self) -> None:
        """Sends everything."""
        for query in self._own:
            for window in range(self.work.windows):
                self.send(query, window, 0.0)

    def next(self, request: Request, time: float) -> None:
        """Nothing is left to send."""


@functools.cache
def _prompts(count: int, mean: float, spread: float) -> list[int]:
    chance = random.Random(count)
    return [max(1, round(chance.gauss(mean, spread))) for _ in range(count)]


def shards_of(work: Work) -> Iterator[Sequence[int]]:
    """Yields the queries of every shard."""
    for first in range(0, work.queries, work.shard):
        yield range(first, min(first + work.shard, work.queries))
