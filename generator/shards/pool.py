"""Supervises the Ray actors of one job: feeds, replaces the dead, gives up on nothing silently."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, cast

from rankgen.generator.shards.claims import Claims
from rankgen.generator.shards.elsewhere import Elsewhere
from rankgen.generator.shards.events import EventLog
from rankgen.generator.shards.interrupt import StopRequest
from rankgen.generator.shards.last_words import last_words
from rankgen.generator.shards.nodes import is_lost, living_nodes, refuse_what_no_node_holds
from rankgen.generator.shards.pool_settings import PoolSettings
from rankgen.generator.shards.sharing import blame, may_join
from rankgen.generator.shards.slot import Queued, Slot
from rankgen.generator.shards.starts import MakeActor, Starts, is_late
from rankgen.generator.shards.streak import Streak
from rankgen.generator.shards.work import ShardTask
from rankgen.generator.shards.worker_errors import own_error, surprise
from rankgen.manifests.errors import last_line
from rankgen.manifests.run.commit_record import Attempt

if TYPE_CHECKING:
    from ray import ObjectRef

WAIT_SECONDS = 0.5
HEARTBEAT_SECONDS = 30.0
STOP_SECONDS = 20.0
# So many failures in a row, of three shards at least, are one fault that all share.
LONGEST_STREAK = 25


class Pool:
    """Runs tasks on actors and yields their attempts in order of completion.

    Args:
        make_actor: See `MakeActor`.
        settings: See `PoolSettings`.
        events: Where deaths and retries are written.
        stop: Asks for draining: nothing new is started, what runs is finished.
        claims: Keeps what another driver of the run works on from being done here too.
        tell: Shows a sentence to the user while the run goes on.
        watch: Is shown the workers again and again; see `rankgen.generator.shards.watch`.
    """

    def __init__(
        self,
        make_actor: MakeActor,
        settings: PoolSettings,
        events: EventLog,
        stop: StopRequest,
        claims: Claims,
        tell: Callable[[str], None],
        watch: Callable[[Sequence[Slot]], None],
    ) -> None:
        self._settings = settings
        self._events = events
        self._stop = stop
        self._watch = watch
        self._elsewhere = Elsewhere(claims, events, tell)
        self._starts = Starts(make_actor, settings, events, tell)
        self._queue: deque[Queued] = deque()
        self._slots: list[Slot] = []
        self._streak = Streak(LONGEST_STREAK)
        self._next_beat = 0.0

    def attempts(
        self, tasks: Iterable[ShardTask]
    ) -> Iterator[tuple[ShardTask, Attempt | None] | None]:
        """Yields (task, attempt); a task may be a part of one that had to be bisected.

        In place of the attempt stands None where another driver has committed the task. Yields None
        twice a second meanwhile, so that the caller can look after other things.

        Raises:
            RankgenError: As a worker raised it.
            EnvironmentProblem: No worker can start, or no node can hold one.
            IncompleteRun: Task after task fails for the same reason.
        """
        refuse_what_no_node_holds(living_nodes(), self._settings.cpus, self._settings.gpus)
        self._queue.extend(Queued(task) for task in tasks)
        while self._busy() or (self._has_work() and not self._stop.requested):
            self._open_slots()
            self._starts.look()
            self._feed()
            self._queue.extend(self._elsewhere.back())
            yield from ((task, None) for task in self._elsewhere.committed())
            if not self._busy() and not self._queue:
                self._elsewhere.tell_that_all_wait()
            yield from self._collect()
            self._kill_stalled()
            self._beat()
            self._watch(self._slots)
            yield None

    def add(self, task: ShardTask) -> None:
        """Queues a task while `attempts` runs."""
        self._queue.append(Queued(task))

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

    def _has_work(self) -> bool:
        return bool(self._queue or self._elsewhere)

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
            queued = self._next_for(slot, share)
            if queued is not None:
                self._give(slot, queued)
                # In turns, so that few tasks are spread over many workers.
                hungry.append(slot)

    def _give(self, slot: Slot, queued: Queued) -> None:
        if not slot.tasks:
            slot.pulse.reset()
        slot.tasks[slot.actor.fill.remote(queued.task)] = queued

    def _next_for(self, slot: Slot, share: int) -> Queued | None:
        """Takes the next task that no other driver works on, if the worker has room for it."""
        held = slot.tasks.values()
        while self._queue and may_join(self._queue[0], held, self._settings, share):
            queued = self._queue.popleft()
            if self._elsewhere.is_ours(queued):
                return queued
        return None

    def _share(self) -> int:
        """Returns how many of the tasks that are left are one worker's part."""
        tasks = len(self._queue) + sum(len(slot.tasks) for slot in self._slots)
        missing = self._settings.workers - len(self._slots) if self._starts.may_open() else 0
        # One that waits long for a place may wait for ever: its part is for those that are there.
        workers = sum(not is_late(slot) for slot in self._slots) + missing
        return -(-tasks // max(1, workers))

    def _kill_stalled(self) -> None:
        limit = self._settings.stall_seconds
        for slot in [slot for slot in self._slots if slot.ready]:
            seconds = slot.pulse.seconds_still(slot.actor)
            if slot.tasks and limit is not None and seconds > limit:
                self._replace(slot, f"no progress for {seconds:.0f} s")

    def _beat(self) -> None:
        """Writes now and then what lives and moves, so that silence means a dead driver."""
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
        if slot is None:  # Its worker died with another task and was replaced meanwhile.
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
            self._again(queued, f"it failed {queued.failures} times ({reason})")
            self._count_failure(reason, queued, error)
        except ray.exceptions.RayError as error:
            self._replace(slot, f"{type(error).__name__}{last_words(slot.log)}")
        else:
            self._streak.success()
            yield slot.tasks.pop(ref).task, attempt

    def _count_failure(self, reason: str, queued: Queued, error: Exception) -> None:
        """Stops the run when the fault is not in the tasks: they fail one like the other."""
        if self._streak.failure(reason, str(queued.task.shard)):
            raise surprise(f"the last {LONGEST_STREAK} tasks failed for one reason", error)

    def _replace(self, slot: Slot, reason: str) -> None:
        """Drops a dead worker and queues what it had."""
        self._drop(slot)
        # A node that was taken away says nothing of the tasks that were there.
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
            self._again(queued, f"its worker died {queued.failures} times ({reason})")

    def _again(self, queued: Queued, why: str) -> None:
        """Queues a task that came back, or its halves when it failed too often."""
        if queued.failures >= self._settings.tries:
            queued.task = queued.task.split(why)
            # The parts are suspects already: each gets one more try.
            queued.failures = self._settings.tries - 1
        self._queue.append(queued)

    def _drop(self, slot: Slot) -> None:
        import ray

        self._slots.remove(slot)
        ray.kill(slot.actor, no_restart=True)
