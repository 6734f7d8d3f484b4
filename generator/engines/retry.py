"""When and how long to wait before a server is asked again."""

from __future__ import annotations

import email.utils
import random
import time
from dataclasses import dataclass, field


@dataclass(frozen=True)
class RetryPolicy:
    """Exponential back-off with full jitter; a server's Retry-After is the least that is waited.

    Attributes:
        attempts: Calls in all, the first included.
        base_s: Longest wait before the second call, in seconds; it doubles from call to call.
        cap_s: Longest wait, Retry-After included.
        limited_s: Longest time for which a server may refuse everything because there are too many
            requests; such refusals are no attempts, and their Retry-After is kept to.
        random: Source of the jitter; it never changes a result.
    """

    attempts: int = 10
    base_s: float = 0.5
    cap_s: float = 60.0
    limited_s: float = 3600.0
    random: random.Random = field(default_factory=random.Random, compare=False)

    def wait_s(self, attempt: int, retry_after_s: float | None) -> float:
        """Returns the seconds to wait after the failed call number `attempt`, from 1."""
        longest = min(self.base_s * 2 ** (attempt - 1), self.cap_s)
        jittered = self.random.uniform(longest / 2, longest)
        return min(max(jittered, retry_after_s or 0.0), self.cap_s)


def retry_after_s(value: str | None) -> float | None:
    """Reads a Retry-After header: seconds, or a date; None when it says neither (RFC 9110)."""
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(value).timestamp() - time.time()
        except (TypeError, ValueError):
            return None
    return seconds if 0 <= seconds < float("inf") else None
