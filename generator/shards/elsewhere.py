"""Tasks that another driver of the same run works on, until it commits them or dies."""

from __future__ import annotations

import time
from collections.abc import Callable

from rankgen.generator.shards.claims import Claim, Claims
from rankgen.generator.shards.events import EventLog
from rankgen.generator.shards.slot import Queued
from rankgen.generator.shards.work import ShardTask

LOOK_SECONDS = 5.0


class Elsewhere:
    """Claims tasks for this driver, and keeps those that belong to others."""

    def __init__(self, claims: Claims, events: EventLog, tell: Callable[[str], None]) -> None:
        self._claims = claims
        self._events = events
        self._tell = tell
        self._waiting: list[Queued] = []
        self._committed: list[ShardTask] = []
        self._next_look = 0.0
        self._told = False

    def __bool__(self) -> bool:
        return bool(self._waiting or self._committed)

    def is_ours(self, queued: Queued) -> bool:
        """Claims a task and says whether it is ours; other tasks are kept here."""
        found = self._claims.claim(queued.task)
        if found is Claim.COMMITTED:
            self._committed.append(queued.task)
        elif found is Claim.THEIRS:
            self._waiting.append(queued)
        return found is Claim.OURS

    def committed(self) -> list[ShardTask]:
        """Returns each task that another driver has committed, once."""
        found, self._committed = self._committed, []
        return found

    def back(self) -> list[Queued]:
        """Looks at the kept tasks every few seconds; returns those that have become ours."""
        now = time.monotonic()
        if not self._waiting or now < self._next_look:
            return []
        self._next_look = now + LOOK_SECONDS
        waiting, self._waiting = self._waiting, []
        return [queued for queued in waiting if self.is_ours(queued)]

    def tell_that_all_wait(self) -> None:
        """Tells the user once that only tasks of another driver are left."""
        if self._waiting and not self._told:
            self._told = True
            shards = sorted({queued.task.shard for queued in self._waiting})
            self._events.write("waiting", shards=len(shards))
            self._tell(
                f"another driver works on the last {len(shards)} shards of this run; "
                "waiting for it, and taking them over if it dies"
            )
