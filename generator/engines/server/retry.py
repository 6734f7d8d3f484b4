"""How long to wait before a request is repeated."""

from __future__ import annotations

import email.utils
import random
import time
from dataclasses import dataclass, field

from rankgen.manifests.errors import EnvironmentProblem


@dataclass(frozen=True)
class RetryPolicy:
    """Exponential back-off with jitter; a server's Retry-After is the minimum wait.

    Attributes:
        attempts: Number of calls, the first included.
        base_s: Longest wait before the second call, in seconds; it doubles with every call.
        cap_s: Longest wait in seconds, Retry-After included.
        limited_s: How long a server may refuse everything for too many requests, in seconds. Such
            refusals do not count as attempts, and their Retry-After is respected up to so much.
        random: Source of the jitter; it never changes a result.
    """

    attempts: int = 10
    base_s: float = 0.5
    cap_s: float = 60.0
    limited_s: float = 3600.0
    random: random.Random = field(default_factory=random.Random, compare=False)

    def wait_s(self, attempt: int, retry_after_s: float | None) -> float:
        """Returns the seconds to wait after failed call number `attempt`, from 1."""
        longest = min(self.base_s * 2 ** (attempt - 1), self.cap_s)
        jittered = self.random.uniform(longest / 2, longest)
        return min(max(jittered, retry_after_s or 0.0), self.cap_s)

    def pause_s(self, times: int, retry_after_s: float | None, refused: str) -> float:
        """Returns the seconds to wait after a refusal for too many requests.

        Args:
            times: Such refusals so far, from 1.
            retry_after_s: What the server's Retry-After says.
            refused: What the server does, for the message.

        Raises:
            EnvironmentProblem: The server wants a pause that no command should sit through, such
                as one until the next day's quota.
        """
        if retry_after_s is None:
            return self.wait_s(times, None)
        if retry_after_s > self.limited_s:
            raise EnvironmentProblem(
                f"{refused} and wants a pause of {_in_words(retry_after_s)}",
                "repeat the command to resume when the pause is over",
            )
        return retry_after_s


def retry_after_s(value: str | None) -> float | None:
    """Returns the seconds in a Retry-After header (RFC 9110): seconds or a date, else None."""
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


def _in_words(seconds: float) -> str:
    hours = seconds / 3600
    return f"{hours:.1f} hours" if hours < 48 else f"{hours / 24:,.0f} days"
