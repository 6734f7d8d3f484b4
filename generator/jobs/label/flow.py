"""What decides which chains of a worker run: the gate, and for vLLM its adapted limit."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Protocol, runtime_checkable

from rankgen.generator.engines.capacity import capacity_of
from rankgen.generator.engines.gauges import gauges_of
from rankgen.generator.jobs.label.chain_limit import ChainLimit, Load
from rankgen.generator.jobs.label.gate import Gate
from rankgen.generator.teachers.prefix_warmer import PrefixWarmer

LOOK_SECONDS, GLIMPSE_SECONDS = 0.5, 0.1
# In a fuller cache, what is read in advance may be dropped before it is needed.
_ROOMY = 0.5


@runtime_checkable
class ReadsAhead(Protocol):
    """A teacher whose engine may read prompts in advance."""

    def warmer(self, has_room: Callable[[], bool]) -> PrefixWarmer | None:
        """Returns what does it; None if this engine does not."""


class Flow:
    """The chains in flight of one worker.

    Args:
        teacher: The teacher, whose engine may tell its capacity and its load.
        asked: How many chains the user wants; None to find out.
    """

    def __init__(self, teacher: object, asked: int | None) -> None:
        self._teacher = teacher
        capacity = None if asked else capacity_of(teacher)
        self._limit = None if capacity is None else ChainLimit(capacity)
        self.gate = Gate(asked or (self._limit.chains if self._limit else 1))
        self._next_look = 0.0
        self._glimpse: tuple[float, Load | None] = (0.0, None)

    def warmer(self) -> PrefixWarmer | None:
        """Returns what reads a shard's prompts in advance; None for a teacher that has none."""
        teacher = self._teacher
        return teacher.warmer(self.is_idle) if isinstance(teacher, ReadsAhead) else None

    def is_idle(self) -> bool:
        """Says whether the engine has room to read in advance: no chain and no request waits."""
        if self.gate.waiting:
            return False
        now = time.monotonic()
        if now - self._glimpse[0] > GLIMPSE_SECONDS:
            self._glimpse = now, Load.of(gauges_of(self._teacher))
        load = self._glimpse[1]
        return load is not None and not load.waiting and load.kv_usage < _ROOMY

    def look(self) -> None:
        """Adapts the limit, at most twice a second; called after every window."""
        if self._limit is None or time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + LOOK_SECONDS
        load = Load.of(gauges_of(self._teacher))
        if load is not None:
            self.gate.limit = self._limit.look(load, self.gate.waiting > 0)

    def gauges(self) -> Mapping[str, float]:
        """Returns the chains in flight and their limit."""
        return {"chains_in_flight": self.gate.inside, "chains_limit": self.gate.limit}
