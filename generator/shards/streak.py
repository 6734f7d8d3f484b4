"""Detects failures in a row for the same reason, which are not the fault of single queries."""

from __future__ import annotations

import re

_NUMBERS = re.compile(r"\d+")


class Streak:
    """Counts failures in a row, without a success in between, for the same reason.

    Args:
        longest: The number in a row that points to a shared cause.
    """

    def __init__(self, longest: int) -> None:
        self.longest = longest
        self._reason = ""
        self._sources: list[str] = []

    def success(self) -> None:
        """Ends the streak."""
        self._sources.clear()

    def failure(self, reason: str, source: str) -> bool:
        """Adds a failure; says whether the streak has reached its limit.

        Args:
            reason: What happened; numbers in it are ignored.
            source: The query or shard. A streak needs at least three of them, since a single one
                may fail again and again by itself.
        """
        plain = _NUMBERS.sub("#", reason)
        if plain != self._reason:
            self._reason = plain
            self._sources.clear()
        self._sources.append(source)
        return len(self._sources) >= self.longest and len(set(self._sources)) >= 3
