"""The rate of requests to a server, learnt from its answers and shared by a worker's chains.

A refusal for too many requests does not depend on the window, so it is not one of the window's
attempts.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import AsyncIterator, Callable

_LOOK_SECONDS = 0.05


class ServerPace:
    """Limits the requests in flight, and delays all of them while the server wants a pause.

    As in TCP, the limit halves when the server answers "too many requests" and grows by one for
    every full round of answers. There is no limit before the first refusal.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._bound = math.inf
        self._under_way = self._pauses = 0
        self._resume_at = 0.0
        self._last_answer = now()

    @contextlib.asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Waits until one more request may be sent; the block sends it."""
        while (wait := self._resume_at - self._now()) > 0 or self._under_way >= self._bound:
            await asyncio.sleep(max(wait, _LOOK_SECONDS))
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1

    def gauges(self) -> dict[str, float]:
        """Returns the requests in flight and the number of pauses that the server asked for."""
        return {
            "server_requests_in_flight": self._under_way,
            "rate_limit_pauses_total": self._pauses,
        }

    def answered(self) -> None:
        """Records an answer."""
        self._last_answer = self._now()
        if self._bound < math.inf:
            self._bound += 1 / self._bound

    def refused(self, pause_s: float) -> float:
        """Records a refusal for too many requests; returns the seconds since the last answer.

        Args:
            pause_s: Seconds to delay all requests.
        """
        now = self._now()
        if now >= self._resume_at:
            # Only the first refusal of a round halves the limit.
            self._bound = max(1.0, min(self._bound, self._under_way) / 2)
            self._pauses += 1
        self._resume_at = max(self._resume_at, now + pause_s)
        return now - self._last_answer
