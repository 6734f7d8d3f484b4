"""The growth rate of a count over the last minute."""

from __future__ import annotations

from collections import deque

RATE_SECONDS = 60.0


class Rate:
    """The growth rate of a count that is sampled now and then."""

    def __init__(self, seconds: float = RATE_SECONDS) -> None:
        self._seconds = seconds
        self._seen: deque[tuple[float, int]] = deque()

    def add(self, now: float, count: int) -> None:
        """Adds the count at a time of the monotonic clock."""
        self._seen.append((now, count))

    def per_second(self, now: float) -> float | None:
        """Returns the growth per second up to `now`; None before two samples.

        The count is taken to be unchanged since the last sample.
        """
        while len(self._seen) > 2 and self._seen[1][0] <= now - self._seconds:
            self._seen.popleft()
        if len(self._seen) < 2:
            return None
        began, first = self._seen[0]
        return max(0, self._seen[-1][1] - first) / max(now - began, 1e-9)
