"""Supervises the Ray actors of one job: gives them tasks and replaces those that die."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, cast

from rankgen.generator.shards.events import EventLog
from rankgen.generator.shards.interrupt import StopRequest
from rankgen.generator.shards.last_words import last_words
from rankgen.generator.shards.nodes import is_lost, living_nodes, refuse_what_no_node_holds
from rankgen.generator.shards.pool_settings import PoolSettings
from rankgen.generator.shards.sharing import blame
from rankgen.generator.shards.slot import Queued, Slot
from rankgen.generator.shards.starts import Starts, is_late
from rankgen.generator.shards.streak import Streak
from rankgen.generator.shards.task_queue import TaskQueue
from rankgen.generator.shards.work import ShardTask
from rankgen.generator.shards.worker_errors import own_error, surprise
from rankgen.manifests.errors import last_line
from rankgen.manifests.run.commit_record import Attempt

if TYPE_CHECKING:
    from ray import ObjectRef

WAIT_SECONDS = 0.5
HEARTBEAT_SECONDS = 30.0
STOP_SECONDS = 20.0
# After this many equal failures in a row, in three shards or more, the run stops.
LONGEST_STREAK = 25


class Pool:
    """Runs tasks on actors and yields their attempts in order of completion.

    Args:
        settings: How many workers there are and what each reserves.
        events: The log for deaths and retries.
        stop: Once requested, running tasks are finished and no new ones are started.
        starts: Starts the workers.
        queue: The waiting tasks.
        watch: Called with all workers about twice a second; see `rankgen.generator.shards.watch`.
    """

    def __init__(
        self,
        settings: PoolSettings,
        events: EventLog,
        stop: StopRequest,
        starts: Starts,
        queue: TaskQueue,
        watch: Callable[[Sequence[Slot]], None],
    ) -> None:
        self._settings = settings
        self._events = events
        self._stop = stop
        self._starts = starts
        self._queue = queue
        self._watch = watch
        self._slots: list[Slot] = []
        self._streak = Streak(LONGEST_STREAK)
        self._next_beat = 0.0

    def attempts(
        self, tasks: Iterable[ShardTask]
    ) -> Iterator[tuple[ShardTask, Attempt | None] | None]:
        """Yields (task, attempt); a task may be part of one that was bisected.

        The attempt is None if another driver has committed the task. Also yields None about twice a
        second, so that the caller can do other work.

        Raises:
            RankgenError: A worker raised it.
            EnvironmentProblem: No worker can start, or no node has room for one.
            IncompleteRun: Task after task fails for the same reason.
        """
        refuse_what_no_node_holds(living_nodes(), self._settings.cpus, self._settings.gpus)
        self._queue.add(tasks)
        while self._busy() or not (self._queue.is_done() or self._stop.requested):
            self._open_slots()
            self._starts.look()
            self._feed()
            yield from ((task, None) for task in self._queue.look_elsewhere())
            if not self._busy():
                self._queue.tell_if_all_wait()
            yield from self._collect()
            self._kill_stalled()
            self._beat()
            self._watch(self._slots)
            yield None

    def add(self, task: ShardTask) -> None:
        """Queues a task while `attempts` runs."""
        self._queue.add([task])

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
        self._starts.starting.clear()

    def _busy(self) -> bool:
        return any(slot.tasks for slot in self._slots)

    def _open_slots(self) -> None:
        busy = sum(slot.is_busy for slot in self._slots)
        wanted = min(self._settings.workers, len(self._queue) + busy)
        while len(self._slots) < wanted and not self._stop.requested:
            slot = self._starts.open(self._slots)
            if slot is None:
                return
            self._slots.append(slot)

    def _feed(self) -> None:
        share = self._share()
        hungry = deque(slot for slot in self._slots if slot.ready)
        while hungry and self._queue and not self._stop.requested:
            slot = hungry.popleft()
            queued = self._queue.next_for(slot.tasks.values(), share, slot.pulse.vitals)
            if queued is not None:
                self._give(slot, queued)
                # Workers take turns, so that few tasks are spread over many workers.
                hungry.append(slot)

    def _give(self, slot: Slot, queued: Queued) -> None:
        if not slot.tasks:
            slot.pulse.reset()
        slot.tasks[slot.actor.fill.remote(queued.task)] = queued

    def _share(self) -> int:
        """Returns how many of the remaining tasks are one worker's part."""
        tasks = len(self._queue) + sum(len(slot.tasks) for slot in self._slots)
        missing = self._settings.workers - len(self._slots) if self._starts.may_open() else 0
        # A worker that waits long for a place may wait forever: the others do its part.
        workers = sum(not is_late(slot) for slot in self._slots) + missing
        return -(-tasks // max(1, workers))

    def _kill_stalled(self) -> None:
        limit = self._settings.stall_seconds
        for slot in [slot for slot in self._slots if slot.ready]:
            seconds = slot.pulse.seconds_still(slot.actor)
            if slot.tasks and limit is not None and seconds > limit:
                self._replace(slot, f"no progress for {seconds:.0f} s")

    def _beat(self) -> None:
        """Logs the pool's state every half minute, so that silence means a dead driver."""
        if time.monotonic() < self._next_beat:
            return
        self._next_beat = time.monotonic() + HEARTBEAT_SECONDS
        self._events.write(
            "heartbeat",
            ready=sum(slot.ready for slot in self._slots),
            starting=len(self._starts.starting),
            running=sum(len(slot.tasks) for slot in self._slots),
            queued=len(self._queue),
            progress=sum(slot.pulse.progress for slot in self._slots),
        )

    def _collect(self) -> Iterator[tuple[ShardTask, Attempt]]:
        import ray

        refs = [*self._starts.starting, *(ref for slot in self._slots for ref in slot.tasks)]
        if not refs:
            time.sleep(WAIT_SECONDS)
            return
        ready, _ = ray.wait(refs, num_returns=1, timeout=WAIT_SECONDS)
        for ref in ready:
            if ref in self._starts.starting:
                slot, started = self._starts.finish(ref, sum(s.ready for s in self._slots))
                if not started:
                    self._drop(slot)
            else:
                yield from self._finish_task(ref)

    def _finish_task(self, ref: ObjectRef[object]) -> Iterator[tuple[ShardTask, Attempt]]:
        import ray

        slot = next((s for s in self._slots if ref in s.tasks), None)
        if slot is None:  # The worker died in another task and has been replaced.
            return
        try:
            attempt = ray.get(cast("ObjectRef[Attempt]", ref))
        except ray.exceptions.RayTaskError as error:
            own = own_error(error)
            if own is not None:
                raise own from error
            queued, reason = slot.tasks.pop(ref), last_line(error)
            self._events.write("task failed", shard=queued.task.shard, reason=reason)
            blame(queued, 1)
            self._queue.again(queued, f"it failed {queued.failures} times ({reason})")
            self._count_failure(reason, queued, error)
        except ray.exceptions.RayError as error:
            self._replace(slot, f"{type(error).__name__}{last_words(slot.log)}")
        else:
            self._streak.success()
            yield slot.tasks.pop(ref).task, attempt

    def _count_failure(self, reason: str, queued: Queued, error: Exception) -> None:
        """Stops the run if task after task fails alike: the cause is not in the tasks."""
        if self._streak.failure(reason, str(queued.task.shard)):
            raise surprise(f"the last {LONGEST_STREAK} tasks failed for the same reason", error)

    def _replace(self, slot: Slot, reason: str) -> None:
        self._drop(slot)
        # The loss of a node is not the fault of the tasks on it.
        is_suspect = bool(slot.tasks) and not is_lost(slot.node)
        for queued in slot.tasks.values():
            if is_suspect:
                blame(queued, len(slot.tasks))
            self._events.write(
                "worker died" if is_suspect else "node lost",
                shard=queued.task.shard,
                reason=reason,
                node=slot.node,
                tries=queued.failures,
                together=len(slot.tasks),
            )
            self._queue.again(queued, f"its worker died {queued.failures} times ({reason})")

    def _drop(self, slot: Slot) -> None:
        import ray

        self._slots.remove(slot)
        ray.kill(slot.actor, no_restart=True)
