"""A discrete-event simulation of engines that continue prompts in batches, and of who feeds them.

An engine works in steps, as vLLM does: each step writes one token of every running request, and
reads a part of waiting prompts while there is room in the step, in the batch and in the cache of
keys and values. A step lasts `base + per_sequence * running + read / prefill` seconds.

Steps in which nothing but decoding happens are taken together, so that a run costs a few events a
window.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class EngineShape:
    """What an engine can do.

    Attributes:
        prefill: Prompt tokens that it reads in a second.
        base: Seconds of a step that decodes, whatever the batch.
        per_sequence: Seconds that each running request adds to a step.
        kv_tokens: Tokens whose keys and values fit.
        most_sequences: Requests that may run at once.
        step_tokens: Tokens that one step reads and writes at most.
    """

    prefill: float
    base: float
    per_sequence: float
    kv_tokens: int
    most_sequences: int = 256
    step_tokens: int = 4096

    def limit(self, prompt: float, answer: int) -> float:
        """Returns the windows a second of this engine with its largest batch always full."""
        batch = max(1, min(self.most_sequences, int(self.kv_tokens // (prompt + answer))))
        step = self.base + self.per_sequence * batch
        return 1.0 / (prompt / self.prefill + (answer - 1) * step / batch)


@dataclass
class Request:
    """One window.

    Attributes:
        query: The number of its query.
        window: Its place among the query's windows, from 0.
        prompt: The tokens of its prompt.
        answer: The tokens of its answer.
    """

    query: int
    window: int
    prompt: int
    answer: int
    left: int = field(init=False)

    def __post_init__(self) -> None:
        self.left = self.prompt


class SimulatedEngine:
    """One engine.

    Args:
        shape: What it can do.
        finished: Called with each finished request and the time.

    Attributes:
        now: The time, in seconds.
        busy: Seconds in which it worked.
    """

    def __init__(self, shape: EngineShape, finished: Callable[[Request, float], None]) -> None:
        self._shape, self._finished = shape, finished
        self._coming: list[tuple[float, int, Request]] = []
        self._waiting: deque[Request] = deque()
        # By the decoding step after which they are done.
        self._running: list[tuple[int, int, Request]] = []
        self._reading: Request | None = None
        self._numbers = itertools.count()
        self._steps = self._held = 0
        self.now = self.busy = 0.0

    @property
    def next_time(self) -> float:
        """When it does something next; infinity if nothing is left."""
        if self._waiting or self._running or self._reading:
            return self.now
        return max(self.now, self._coming[0][0]) if self._coming else math.inf

    def send(self, request: Request, time: float) -> None:
        """Gives it a request that arrives at `time`."""
        heapq.heappush(self._coming, (time, next(self._numbers), request))

    def work(self) -> None:
        """Does one step, or several in which nothing else happens."""
        self.now = self.next_time
        while self._coming and self._coming[0][0] <= self.now:
            self._waiting.append(heapq.heappop(self._coming)[2])
        decoding = len(self._running)
        read, done = self._read(self._shape.step_tokens - decoding)
        step = self._shape.base + self._shape.per_sequence * decoding if decoding else 0.0
        times = 1
        if read:
            step += read / self._shape.prefill
        elif decoding:
            times = self._running[0][0] - self._steps
            if self._coming:
                until = (self._coming[0][0] - self.now) / step
                times = max(1, min(times, math.ceil(until)))
        self.now += step * times
        self.busy += step * times
        self._steps += times if decoding else 0
        for request in done:
            # Reading a prompt writes the first token.
            ends = self._steps + request.answer - 1
            heapq.heappush(self._running, (ends, next(self._numbers), request))
        while self._running and self._running[0][0] <= self._steps:
            request = heapq.heappop(self._running)[2]
            self._held -= request.prompt + request.answer
            self._finished(request, self.now)

    def _read(self, room: int) -> tuple[int, list[Request]]:
        """Reads prompts into the room of a step; returns the tokens and the prompts that ended."""
        read, done = 0, list[Request]()
        while room > 0:
            if self._reading is None and not self._begin(len(done)):
                break
            request = self._reading
            assert request is not None
            part = min(room, request.left)
            request.left -= part
            read, room = read + part, room - part
            if request.left == 0:
                done.append(request)
                self._reading = None
        return read, done

    def _begin(self, just_read: int) -> bool:
        """Takes the next waiting request if there is room for it."""
        if not self._waiting or len(self._running) + just_read >= self._shape.most_sequences:
            return False
        needed = self._waiting[0].prompt + self._waiting[0].answer
        if self._held + needed > self._shape.kv_tokens and self._held:
            return False
        self._reading = self._waiting.popleft()
        self._held += needed
        return True
