"""Engines that keep what they have read of a prompt, and may be made to read some in advance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable


@runtime_checkable
class Warms(Protocol):
    """An engine with a prefix cache."""

    @property
    def keeps_prefixes(self) -> bool:
        """Whether a later prompt with the same beginning is read faster."""

    async def warm(self, token_ids: Sequence[int]) -> None:
        """Reads the beginning of a prompt that will follow; a failure is of no consequence."""
