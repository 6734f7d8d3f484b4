"""Whether a worker still gets on, asked without waiting for the answer."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ray import ObjectRef
    from ray.actor import ActorHandle

    from rankgen.generator.jobs.worker import ShardWorker

ASK_SECONDS = 2.0


class Pulse:
    """The progress of one worker, as last heard."""

    def __init__(self) -> None:
        self._progress = -1
        self._changed = self._asked = time.monotonic()
        self._question: ObjectRef[int] | None = None

    @property
    def progress(self) -> int:
        """The worker's progress as last heard: windows or queries since it started."""
        return max(self._progress, 0)

    def reset(self) -> None:
        """Starts the clock anew: the worker was idle and has just been given work."""
        self._changed = time.monotonic()

    def seconds_still(self, actor: ActorHandle[ShardWorker]) -> float:
        """Returns for how long the worker's progress has not been heard to change.

        A worker that is too busy to answer counts as standing still.
        """
        import ray

        now = time.monotonic()
        question = self._question
        if question is None:
            if now - self._asked >= ASK_SECONDS:
                self._asked = now
                self._question = actor.progress.remote()
        elif ray.wait([question], timeout=0)[0]:
            self._question = None
            self._hear(question, now)
        return now - self._changed

    def _hear(self, answer: ObjectRef[int], now: float) -> None:
        import ray

        try:
            progress = ray.get(answer)
        except ray.exceptions.RayError:
            return  # Its death is noticed by the task that it had.
        if progress != self._progress:
            self._progress, self._changed = progress, now
