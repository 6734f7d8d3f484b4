"""Keeps the cost of a run below its cap: one till for all workers of a command.

A call's greatest possible cost is reserved before the call and corrected after it, so calls in
flight cannot exceed the cap together. A call that does not fit waits while others are in flight,
as these may turn out cheaper. If it does not fit even then, the till closes: by then every call has
been answered, and nothing more is asked.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from rankgen.generator.engines.cost.prices import usd

# A worker that is silent for so long is dead, and what it had asked for may be billed.
SILENT_SECONDS = 60.0
# Sums of prices are not exact.
_DUST = 1e-9


class Turn(NamedTuple):
    """The reply to a reservation: granted, or refused for good, or else to be repeated."""

    granted: bool
    refusal: str | None = None


class Till:
    """Counts what is spent and what is reserved.

    Args:
        cap: The most USD that the run may cost.
        spent: USD spent before.
        now: The time in seconds.
    """

    def __init__(self, cap: float, spent: float, now: Callable[[], float] = time.monotonic) -> None:
        self._cap, self._spent, self._now = cap, spent, now
        # holder -> ticket -> reserved USD
        self._reserved: dict[str, dict[str, float]] = {}
        self._seen: dict[str, float] = {}
        self._refusal: str | None = None

    def reserve(self, holder: str, ticket: str, most: float) -> Turn:
        """Reserves the most that a call may cost.

        Args:
            holder: The worker that asks.
            ticket: Its name for the call.
            most: USD.
        """
        self.beat(holder)
        self._drop_the_dead()
        if self._refusal is not None:
            return Turn(False, self._refusal)
        reserved = sum(sum(held.values()) for held in self._reserved.values())
        if self._spent + reserved + most <= self._cap + _DUST:
            self._reserved.setdefault(holder, {})[ticket] = most
            return Turn(True)
        if any(self._reserved.values()):
            return Turn(False)
        left = max(0.0, self._cap - self._spent)
        self._refusal = (
            f"the run has cost {usd(self._spent)} of the {usd(self._cap)} of --max-cost, and the "
            f"next call could cost up to {usd(most)}, more than the {usd(left)} that are left"
        )
        return Turn(False, self._refusal)

    def settle(self, holder: str, ticket: str, cost: float) -> None:
        """Replaces a reservation by what the call did cost."""
        self.beat(holder)
        # A holder that was thought dead has paid for this call already.
        if self._reserved.get(holder, {}).pop(ticket, None) is not None:
            self._spent += cost

    def beat(self, holder: str) -> None:
        """Records that a worker is alive."""
        self._seen[holder] = self._now()

    def spent(self) -> float:
        """Returns the USD spent so far."""
        return self._spent

    def _drop_the_dead(self) -> None:
        for holder, seen in self._seen.items():
            if self._now() - seen > SILENT_SECONDS:
                self._spent += sum(self._reserved.pop(holder, {}).values())
