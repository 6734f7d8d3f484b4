"""How many chains a worker keeps in flight, from the engine's capacity and its own gauges.

Too few chains leave the engine idle; too many wait in its queue, or push each other out of its
cache. The first number is what the cache holds, as in Ray Data's LLM stage at most a tenth more
than the engine works on at once. From then on a short queue is the aim: while nothing waits and the
cache has room, more chains begin; a queue that never empties, as network people call a standing
queue, makes them fewer, and so does a postponed request.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from typing import NamedTuple

from rankgen.generator.engines.capacity import Capacity

# A window is seldom longer than half of the context, and a wrong guess is soon mended.
_WINDOWS_IN_A_CONTEXT = 2
_BEYOND_REQUESTS = 1.1
# Looks that must agree before the number changes.
_LOOKS = 4
_QUEUE = 0.1
_FULL, _GROWTH, _AFTER_PREEMPTION = 0.9, 2.0, 0.8


class Load(NamedTuple):
    """An engine's gauges at one moment; see `rankgen.generator.engines.gauges`."""

    waiting: float
    running: float
    kv_usage: float
    preemptions: float

    @classmethod
    def of(cls, gauges: Mapping[str, float]) -> Load | None:
        """Returns the load that gauges tell; None for an engine without a queue."""
        if "engine_requests_waiting" not in gauges:
            return None
        return cls(
            gauges["engine_requests_waiting"],
            gauges.get("engine_requests_running", 0.0),
            gauges.get("engine_kv_cache_usage", 0.0),
            gauges.get("engine_preemptions_total", 0.0),
        )


class ChainLimit:
    """The number of chains in flight of one worker.

    Args:
        capacity: What the engine holds.

    Attributes:
        chains: The number, at least 1.
    """

    def __init__(self, capacity: Capacity) -> None:
        self._most = max(1, math.ceil(_BEYOND_REQUESTS * capacity.requests))
        window = max(1, capacity.context_size // _WINDOWS_IN_A_CONTEXT)
        self.chains = self._within(capacity.kv_tokens // window)
        self._seen: deque[Load] = deque(maxlen=_LOOKS)
        self._preemptions = 0.0

    def look(self, load: Load, is_short: bool) -> int:
        """Takes a look at the engine and returns the new number of chains.

        Args:
            load: The engine's gauges.
            is_short: Whether more chains would begin if they were allowed to.
        """
        self._seen.append(load)
        postponed = load.preemptions > self._preemptions
        self._preemptions = load.preemptions
        if postponed:
            self._set(self.chains * _AFTER_PREEMPTION)
        elif len(self._seen) == _LOOKS:
            standing = min(one.waiting for one in self._seen) - _QUEUE * self.chains
            if standing > 0:
                self._set(self.chains - math.ceil(standing))
            elif is_short and all(self._has_room(one) for one in self._seen):
                used = max(one.kv_usage for one in self._seen)
                room = _FULL / used if used else _GROWTH
                self._set(max(self.chains + 1, self.chains * min(room, _GROWTH)))
        return self.chains

    def _has_room(self, load: Load) -> bool:
        return load.waiting == 0 and load.kv_usage < _FULL

    def _set(self, chains: float) -> None:
        self.chains = self._within(int(chains))
        # What was seen belongs to the number before.
        self._seen.clear()

    def _within(self, chains: int) -> int:
        return min(max(chains, 1), self._most)
