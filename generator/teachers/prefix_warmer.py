"""Has an idle engine read the first half of the next window while this one is being answered.

A sliding window moves up by half of its size: the first half of the next prompt is passages that
this window does not touch, so it is known before the answer. An engine that keeps prefixes has read
it by then, and the next answer begins sooner. It reads no token more than it would have, only
earlier, but a busy engine has better things to do, and might drop it again: so this helps small
runs and the last queries of large ones.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence

from rankgen.generator.engines.warming import Warms
from rankgen.generator.teachers.prefix_counts import PrefixCounts
from rankgen.generator.teachers.prompter import ListwisePrompter
from rankgen.manifests.records import Document, Query

# A window that is replayed from the journal is over by then, and the present prompt has left.
DELAY_SECONDS = 0.01
# For the passages that are not known yet. What stands before a passage may be joined with its first
# character in one token, so these begin with a letter, a sign and a digit.
_UNKNOWN = tuple(Document("", "", text) for text in ("a", '"b', "7"))


class PrefixWarmer:
    """Warms prefixes for the chains of one shard.

    Args:
        prompter: Builds the prompts.
        engine: The engine.
        has_room: Says whether the engine is idle enough; may take a millisecond.
    """

    def __init__(
        self, prompter: ListwisePrompter, engine: Warms, has_room: Callable[[], bool]
    ) -> None:
        self._prompter, self._engine, self._has_room = prompter, engine, has_room
        self._warmed: dict[str, tuple[int, ...]] = {}
        self._tasks = set[asyncio.Task[None]]()
        self.counts = PrefixCounts()

    def begin(
        self, query: Query, shown: Sequence[Document], known: Sequence[Document], size: int
    ) -> Callable[[], None]:
        """Warms the next window's prefix if there is room; see `Ahead.begin`."""
        earlier = self._warmed.pop(query.query_id, None)
        if earlier is not None:
            # The prompt is built again here, but only where the engine is idle.
            ids = self._prompter.build(query, shown).token_ids
            self.counts.compare(ids[: len(earlier)] == earlier)
        if not known:
            return _nothing
        task = asyncio.create_task(self._warm(query, known, size))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return lambda: self._stop(query, task)

    async def close(self) -> None:
        """Ends what is still being read."""
        tasks = [*self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _warm(self, query: Query, known: Sequence[Document], size: int) -> None:
        await asyncio.sleep(DELAY_SECONDS)
        if not self._has_room():
            return
        prefix = self.prefix(query, known, size)
        if not prefix:
            return
        self._warmed[query.query_id] = prefix
        self.counts.warm(len(prefix))
        # The window's own request meets whatever is wrong, and reports it.
        with contextlib.suppress(Exception):
            await self._engine.warm(prefix)

    def _stop(self, query: Query, task: asyncio.Task[None]) -> None:
        if query.query_id not in self._warmed:
            task.cancel()

    def prefix(self, query: Query, known: Sequence[Document], size: int) -> tuple[int, ...]:
        """Returns the ids that every prompt begins with whose first passages are these.

        They are what prompts have in common that differ in all other passages. Empty if one of them
        must be cut, since the real prompt will then be cut too, and differently.
        """
        rest = size - len(known)
        built = [self._prompter.build(query, [*known, *[other] * rest]) for other in _UNKNOWN]
        if not rest or any(one.cut for one in built):
            return ()
        columns = zip(*(one.token_ids for one in built), strict=False)
        length = next((i for i, ids in enumerate(columns) if len(set(ids)) > 1), 0)
        return built[0].token_ids[:length]


def _nothing() -> None:
    """Ends nothing."""
