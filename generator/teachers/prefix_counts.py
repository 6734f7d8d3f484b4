"""Counts of prefixes that were read in advance; they are no part of any label or its cost."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass
class PrefixCounts:
    """What was read in advance.

    Attributes:
        prefixes_warmed: Prefixes that were sent.
        prefix_tokens_warmed: Their tokens.
        prefixes_met: Of these, how many the next prompt began with.
        prefixes_missed: How many it did not begin with, so that they were read for nothing.
    """

    prefixes_warmed: int = 0
    prefix_tokens_warmed: int = 0
    prefixes_met: int = 0
    prefixes_missed: int = 0

    def warm(self, tokens: int) -> None:
        """Counts a prefix that is sent."""
        self.prefixes_warmed += 1
        self.prefix_tokens_warmed += tokens

    def compare(self, is_met: bool) -> None:
        """Counts a prompt that was to begin with one."""
        self.prefixes_met += is_met
        self.prefixes_missed += not is_met

    def as_facts(self) -> dict[str, int]:
        """Returns the counts by name; none if nothing was warmed."""
        return asdict(self) if self.prefixes_warmed else {}
