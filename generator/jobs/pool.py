"""Supervises the Ray actors of one job: feeds, replaces the dead, gives up on nothing silently."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from rankgen.generator.jobs.driver_variables import driver_variables
from rankgen.generator.jobs.events import EventLog
from rankgen.generator.jobs.interrupt import StopRequest
from rankgen.generator.jobs.pool_settings import PoolSettings
from rankgen.generator.jobs.pulse import Pulse
from rankgen.generator.jobs.work import ShardTask
from rankgen.generator.jobs.worker_errors import last_line, own_error, surprise
from rankgen.manifests.commit_record import Attempt
from rankgen.manifests.errors import EnvironmentProblem

if TYPE_CHECKING:
    from ray import ObjectRef
    from ray.actor import ActorHandle

    from rankgen.generator.jobs.worker import ShardWorker

WAIT_SECONDS = 0.5
HEARTBEAT_SECONDS = 30.0
STOP_SECONDS = 20.0


@dataclass
class _Slot:
    actor: ActorHandle[ShardWorker]
    ready: bool = False
    tasks: dict[ObjectRef[object], _Queued] = field(default_factory=dict)
    pulse: Pulse = field(default_factory=Pulse)


@dataclass
class _Queued:
    task: ShardTask
    failures: int = 0


class Pool:
    """Runs tasks on actors and yields their attempts in order of completion.

    Args:
        make_actor: Creates a fresh, unnamed `ShardWorker` actor without restarts of its own.
        settings: See `PoolSettings`.
        events: Where deaths and retries are written.
        stop: Asks for draining: nothing new is started, what runs is finished.
    """

    def __init__(
        self,
        make_actor: Callable[[], ActorHandle[ShardWorker]],
        settings: PoolSettings,
        events: EventLog,
        stop: StopRequest,
    ) -> None:
        self._make_actor = make_actor
        self._settings = settings
        self._events = events
        self._stop = stop
        self._queue: deque[_Queued] = deque()
        self._slots: list[_Slot] = []
        self._starting: dict[ObjectRef[object], _Slot] = {}
        self._start_failures = 0
        self._next_beat = 0.0

    def attempts(self, tasks: Iterable[ShardTask]) -> Iterator[tuple[ShardTask, Attempt]]:
        """Yields (task, attempt); a task may be a part of one that had to be bisected.

        Raises:
            RankgenError: As a worker raised it.
            EnvironmentProblem: Workers keep dying while they load.
            IncompleteRun: A task keeps failing with an exception.
        """
        self._queue.extend(_Queued(task) for task in tasks)
        while self._busy() or (self._queue and not self._stop.requested):
            self._open_slots()
            self._feed()
            yield from self._collect()
            self._kill_stalled()
            self._beat()

    def add(self, task: ShardTask) -> None:
        """Queues a task while `attempts` runs."""
        self._queue.append(_Queued(task))

    def close(self) -> None:
        """Lets every worker close its work, then ends it."""
        import ray

        stopping: list[Any] = [slot.actor.stop.remote() for slot in self._slots if slot.ready]
        if stopping:
            ray.wait(stopping, num_returns=len(stopping), timeout=STOP_SECONDS)
        self.kill()

    def kill(self) -> None:
        """Ends every worker at once."""
        import ray

        for slot in self._slots:
            ray.kill(slot.actor, no_restart=True)
        self._slots.clear()
        self._starting.clear()

    def _busy(self) -> bool:
        return any(slot.tasks for slot in self._slots)

    def _open_slots(self) -> None:
        wanted = min(self._settings.workers, len(self._queue) + sum(map(_is_busy, self._slots)))
        while len(self._slots) < wanted and not self._stop.requested:
            slot = _Slot(self._make_actor())
            self._slots.append(slot)
            self._starting[slot.actor.start.remote(driver_variables())] = slot

    def _feed(self) -> None:
        for _ in range(self._settings.shards_in_flight):
            for slot in self._slots:
                if self._queue and not self._stop.requested and self._has_room(slot):
                    queued = self._queue.popleft()
                    if not slot.tasks:
                        slot.pulse.reset()
                    slot.tasks[slot.actor.fill.remote(queued.task)] = queued

    def _has_room(self, slot: _Slot) -> bool:
        # A task that was on a dead worker runs alone, so that the next death convicts it.
        suspect = self._queue[0].failures > 0 or any(q.failures for q in slot.tasks.values())
        room = 1 if suspect else self._settings.shards_in_flight
        return slot.ready and len(slot.tasks) < room

    def _kill_stalled(self) -> None:
        limit = self._settings.stall_seconds
        for slot in [slot for slot in self._slots if slot.tasks]:
            seconds = slot.pulse.seconds_still(slot.actor)
            if limit is not None and seconds > limit:
                self._replace(slot, f"no progress for {seconds:.0f} s")

    def _beat(self) -> None:
        """Writes now and then what lives and moves, so that silence means a dead driver."""
        if time.monotonic() < self._next_beat:
            return
        self._next_beat = time.monotonic() + HEARTBEAT_SECONDS
        self._events.write(
            "heartbeat",
            ready=sum(slot.ready for slot in self._slots),
            starting=len(self._starting),
            running=sum(len(slot.tasks) for slot in self._slots),
            queued=len(self._queue),
            progress=sum(slot.pulse.progress for slot in self._slots),
        )

    def _collect(self) -> Iterator[tuple[ShardTask, Attempt]]:
        import ray

        refs = [*self._starting, *(ref for slot in self._slots for ref in slot.tasks)]
        if not refs:
            return
        ready, _ = ray.wait(refs, num_returns=1, timeout=WAIT_SECONDS)
        for ref in ready:
            if ref in self._starting:
                self._finish_start(ref)
            else:
                yield from self._finish_task(ref)

    def _finish_start(self, ref: ObjectRef[object]) -> None:
        import ray

        slot = self._starting.pop(ref)
        try:
            process, node = ray.get(cast("ObjectRef[tuple[int, str]]", ref))
        except ray.exceptions.RayTaskError as error:
            raise own_error(error) or surprise("a worker could not start", error) from error
        except ray.exceptions.RayError as error:
            self._start_failures += 1
            self._events.write("worker died while loading", reason=type(error).__name__)
            self._slots.remove(slot)
            if self._start_failures >= self._settings.start_failures:
                raise EnvironmentProblem(
                    f"{self._start_failures} workers in a row died while loading "
                    f"({type(error).__name__})",
                    "repeat the command with --debug to see the workers' own output",
                ) from None
            return
        slot.ready = True
        self._start_failures = 0
        self._events.write("worker ready", process=process, node=node)

    def _finish_task(self, ref: ObjectRef[object]) -> Iterator[tuple[ShardTask, Attempt]]:
        import ray

        slot = next((s for s in self._slots if ref in s.tasks), None)
        if slot is None:  # Its worker died with another task and was replaced meanwhile.
            return
        try:
            attempt = ray.get(cast("ObjectRef[Attempt]", ref))
        except ray.exceptions.RayTaskError as error:
            own = own_error(error)
            if own is not None:
                raise own from error
            self._retry_exception(slot.tasks.pop(ref), error)
        except ray.exceptions.RayError as error:
            self._replace(slot, type(error).__name__)
        else:
            yield slot.tasks.pop(ref).task, attempt

    def _retry_exception(self, queued: _Queued, error: Exception) -> None:
        queued.failures += 1
        reason = last_line(error)
        self._events.write("task failed", shard=queued.task.shard, reason=reason)
        if queued.failures >= self._settings.tries:
            raise surprise(f"shard {queued.task.shard} failed {queued.failures} times", error)
        self._queue.append(queued)

    def _replace(self, slot: _Slot, reason: str) -> None:
        """Drops a dead actor and queues what it had, bisecting what was there too often."""
        import ray

        self._slots.remove(slot)
        ray.kill(slot.actor, no_restart=True)
        for queued in slot.tasks.values():
            queued.failures += 1
            shard = queued.task.shard
            self._events.write("worker died", shard=shard, reason=reason, tries=queued.failures)
            if queued.failures >= self._settings.tries:
                why = f"its worker died {queued.failures} times ({reason})"
                queued.task = queued.task.split(why)
                # The parts are suspects already: each gets one more try.
                queued.failures = self._settings.tries - 1
            self._queue.append(queued)


def _is_busy(slot: _Slot) -> bool:
    return bool(slot.tasks) or not slot.ready
