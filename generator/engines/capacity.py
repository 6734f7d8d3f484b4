"""How much an engine can hold at once, for those who decide how many windows to send it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True)
class Capacity:
    """What an engine holds.

    Attributes:
        kv_tokens: Tokens whose keys and values fit into its cache together.
        requests: Requests that it works on at once, at most.
        context_size: Tokens of the longest request.
    """

    kv_tokens: int
    requests: int
    context_size: int


@runtime_checkable
class Roomy(Protocol):
    """Anything that knows an engine's capacity."""

    def capacity(self) -> Capacity | None:
        """Returns the capacity; None if the engine does not tell it."""


def capacity_of(thing: object) -> Capacity | None:
    """Returns the capacity of `thing`; None if it knows none."""
    return thing.capacity() if isinstance(thing, Roomy) else None
