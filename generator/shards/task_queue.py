"""The tasks of a job that wait for a worker, new ones and those that came back."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable

from rankgen.generator.shards.elsewhere import Elsewhere
from rankgen.generator.shards.pool_settings import PoolSettings
from rankgen.generator.shards.sharing import may_join
from rankgen.generator.shards.slot import Queued
from rankgen.generator.shards.vitals import Vitals
from rankgen.generator.shards.work import ShardTask


class TaskQueue:
    """The waiting tasks, without those that another driver of the run works on."""

    def __init__(self, settings: PoolSettings, elsewhere: Elsewhere) -> None:
        self._settings = settings
        self._elsewhere = elsewhere
        self._waiting: deque[Queued] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def is_done(self) -> bool:
        """Says whether nothing waits, neither here nor for another driver."""
        return not (self._waiting or self._elsewhere)

    def add(self, tasks: Iterable[ShardTask]) -> None:
        """Appends tasks that have not been tried yet."""
        self._waiting.extend(Queued(task) for task in tasks)

    def look_elsewhere(self) -> list[ShardTask]:
        """Takes over tasks of drivers that died; returns those that other drivers committed."""
        self._waiting.extend(self._elsewhere.back())
        return self._elsewhere.committed()

    def tell_if_all_wait(self) -> None:
        """Tells the user once when only tasks of other drivers are left."""
        if not self._waiting:
            self._elsewhere.tell_that_all_wait()

    def next_for(
        self, held: Collection[Queued], share: int, vitals: Vitals | None = None
    ) -> Queued | None:
        """Takes the next task that this driver may claim, if the worker has room for it.

        Args:
            held: The worker's tasks.
            share: The number of tasks that are the worker's part of what is left.
            vitals: What the worker last said.
        """
        while self._waiting and may_join(self._waiting[0], held, self._settings, share, vitals):
            queued = self._waiting.popleft()
            if self._elsewhere.is_ours(queued):
                return queued
        return None

    def again(self, queued: Queued, why: str) -> None:
        """Appends a task that came back, or its halves if it failed too often."""
        if queued.failures >= self._settings.tries:
            queued.task = queued.task.split(why)
            # The parts are suspects already: each gets one more try.
            queued.failures = self._settings.tries - 1
        self._waiting.append(queued)
