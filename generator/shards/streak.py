"""Failures in a row for one reason: then the reason is not in the queries."""

from __future__ import annotations

import re

_NUMBERS = re.compile(r"\d+")


class Streak:
    """Counts failures that follow each other without a success between, for one reason.

    Args:
        longest: So many in a row are one fault of something that all share.
    """

    def __init__(self, longest: int) -> None:
        self.longest = longest
        self._reason = ""
        self._sources: list[str] = []

    def success(self) -> None:
        """Ends the streak."""
        self._sources.clear()

    def failure(self, reason: str, source: str) -> bool:
        """Adds a failure and says whether the streak is now as long as it may be.

        Args:
            reason: What happened; numbers in it do not make it another reason.
            source: Where it happened. A streak comes from three places at least, for one query or
                one shard may fail again and again on its own account.
        """
        plain = _NUMBERS.sub("#", reason)
        if plain != self._reason:
            self._reason = plain
            self._sources.clear()
        self._sources.append(source)
        return len(self._sources) >= self.longest and len(set(self._sources)) >= 3
