"""Asks a worker for its progress without waiting for the answer."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rankgen.generator.shards.rate import Rate

if TYPE_CHECKING:
    from ray import ObjectRef
    from ray.actor import ActorHandle

    from rankgen.generator.shards.vitals import Vitals
    from rankgen.generator.shards.worker import ShardWorker

ASK_SECONDS = 2.0


class Pulse:
    """The last known state of one worker.

    Attributes:
        vitals: Its last answer; None before the first.
    """

    def __init__(self) -> None:
        self.vitals: Vitals | None = None
        self._rate = Rate()
        self._changed = self._asked = time.monotonic()
        self._question: ObjectRef[Vitals] | None = None

    @property
    def progress(self) -> int:
        """The last known progress, in the job's unit since the worker started."""
        return 0 if self.vitals is None else self.vitals.progress

    @property
    def per_second(self) -> float | None:
        """The progress per second over the last minute; None if not known yet."""
        return self._rate.per_second(time.monotonic())

    @property
    def silent_seconds(self) -> float:
        """The seconds since its progress last changed."""
        return time.monotonic() - self._changed

    def reset(self) -> None:
        """Restarts the clock: the worker was idle and has just been given a task."""
        self._changed = time.monotonic()

    def seconds_still(self, actor: ActorHandle[ShardWorker]) -> float:
        """Asks the worker again if it is time; returns the seconds since its progress last changed.

        A worker that is too busy to answer counts as making no progress.
        """
        import ray

        now = time.monotonic()
        question = self._question
        if question is None:
            if now - self._asked >= ASK_SECONDS:
                self._asked = now
                self._question = actor.vitals.remote()
        elif ray.wait([question], timeout=0)[0]:
            self._question = None
            self._hear(question, now)
        return now - self._changed

    def _hear(self, answer: ObjectRef[Vitals], now: float) -> None:
        import ray

        try:
            vitals = ray.get(answer)
        except ray.exceptions.RayError:
            return  # The task that it had reports its death.
        if self.vitals is None or vitals.progress != self.vitals.progress:
            self._changed = now
        self.vitals = vitals
        self._rate.add(now, vitals.progress)
