"""Lets a number of chains run at once, which may change, and the longest of a shard first."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import itertools
from collections.abc import AsyncIterator


class Gate:
    """Lets chains in by their turn.

    Args:
        limit: Chains inside at once, at least 1.

    Attributes:
        inside: Chains inside.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.inside = 0
        self._waiting: list[tuple[tuple[int, int], int, asyncio.Future[None]]] = []
        self._numbers = itertools.count()

    @property
    def limit(self) -> int:
        """Chains inside at once; those inside stay when it shrinks."""
        return self._limit

    @limit.setter
    def limit(self, limit: int) -> None:
        self._limit = limit
        self._let_in()

    @property
    def waiting(self) -> int:
        """Chains that wait outside."""
        return sum(not future.done() for *_, future in self._waiting)

    @contextlib.asynccontextmanager
    async def passed(self, shard: int, windows: int) -> AsyncIterator[None]:
        """Waits for the chain's turn and holds its place while the block runs.

        Shards pass in their order, so that each is soon done. Within one the longest chains pass
        first: a long one that began last would run alone at the end.

        Args:
            shard: The shard's number in the order of arrival.
            windows: The chain's length, in any unit.
        """
        future = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, ((shard, -windows), next(self._numbers), future))
        self._let_in()
        try:
            await future
            yield
        finally:
            if future.done() and not future.cancelled():
                self.inside -= 1
            self._let_in()

    def _let_in(self) -> None:
        while self._waiting and self.inside < self._limit:
            *_, future = heapq.heappop(self._waiting)
            if not future.done():  # else the chain was cancelled while it waited
                self.inside += 1
                future.set_result(None)
