"""A driver's view of its workers, for those who watch the run; see `driver_report`.

A thread writes it, so that a slow, full or missing store delays nothing.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial

from rankgen.generator.engines.gauges import is_counter
from rankgen.generator.shards.events import EventLog
from rankgen.generator.shards.metrics import show_as_metrics
from rankgen.generator.shards.nodes import living_nodes
from rankgen.generator.shards.repeated import repeated
from rankgen.generator.shards.slot import Slot
from rankgen.manifests.run.driver_names import driver_name
from rankgen.manifests.run.driver_report import (
    DriverReport,
    DriverState,
    Trouble,
    WorkerReport,
    WorkerState,
    remove_old_reports,
    seconds_between_reports,
    write_report,
)
from rankgen.manifests.run.plan import Plan
from rankgen.manifests.run.run_directory import RunDirectory

TROUBLES = frozenset({"worker died", "node lost", "worker could not start", "task failed"})
KEPT_TROUBLES = 5
LOOK_SECONDS = 1.0
LAST_WRITE_SECONDS = 5.0


class WatchedEvents(EventLog):
    """An event log that remembers the last troubles and counts the finished queries."""

    def __init__(self, run: RunDirectory) -> None:
        super().__init__(run)
        self.troubles: deque[Trouble] = deque(maxlen=KEPT_TROUBLES)
        self.done = self.failed = 0
        # Only shards with failed queries are committed again.
        self._failing: dict[int, tuple[int, int]] = {}

    def write(self, event: str, **values: str | int | float | None) -> None:
        """Appends one event; see `EventLog.write`."""
        super().write(event, **values)
        if event in TROUBLES:
            self.troubles.appendleft(_trouble(event, values))
        match event, values:
            case (
                "commit" | "lost race",
                {"shard": int(shard), "queries": int(queries), "failed": int(failed)},
            ):
                self.count(shard, queries, failed)

    def count(self, shard: int, queries: int, failed: int) -> None:
        """Counts a committed shard, or counts it again after a later commit."""
        before, before_failed = self._failing.pop(shard, (0, 0))
        self.done += queries - failed - (before - before_failed)
        self.failed += failed - before_failed
        if failed:
            self._failing[shard] = (queries, failed)


@dataclass(frozen=True)
class _Seen:
    workers: tuple[WorkerReport, ...] = ()
    # The progress and the counters of workers that are gone.
    past_done: int = 0
    past: Mapping[str, float] = field(default_factory=dict)


class Watch:
    """One driver's view of its run.

    Args:
        plan: The run's plan.
        unit: What the workers' progress counts; see `ShardJob`.
        events: The driver's log.
        every: Seconds between two reports.
    """

    def __init__(self, plan: Plan, unit: str, events: WatchedEvents, every: float) -> None:
        self.events = events
        self._plan, self._unit, self._every = plan, unit, every
        self._began, self._next_look = time.time(), 0.0
        self._state: DriverState = "working"
        self._nodes: dict[str, str] = {}
        self._slots: dict[int, Slot] = {}
        # Replaced as a whole, because another thread reads it.
        self._seen = _Seen()

    def see(self, slots: Sequence[Slot]) -> None:
        """Looks at the workers, at most once a second."""
        if time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + LOOK_SECONDS
        self._look(slots)

    def end(self, state: DriverState) -> None:
        """Records that the workers are gone, and what the driver does now."""
        self._look(())
        self._state = state

    def report(self) -> DriverReport:
        """Returns the current state; may be called from any thread."""
        seen = self._seen
        return DriverReport(
            driver=driver_name(),
            kind=self._plan.kind,
            unit=self._unit,
            state=self._state,
            began=self._began,
            written=time.time(),
            every=self._every,
            workers=seen.workers,
            troubles=tuple(self._named(trouble) for trouble in self.events.troubles.copy()),
            queries=self._plan.queries,
            queries_done=self.events.done,
            queries_failed=self.events.failed,
            done=seen.past_done + sum(worker.done for worker in seen.workers),
            counters=_sums(seen.past, *(worker.gauges for worker in seen.workers)),
        )

    def _look(self, slots: Sequence[Slot]) -> None:
        before, self._slots = self._slots, {id(slot): slot for slot in slots}
        gone = [slot for key, slot in before.items() if key not in self._slots]
        heard = [slot.pulse.vitals for slot in gone if slot.pulse.vitals is not None]
        self._seen = _Seen(
            tuple(self._worker(slot) for slot in slots),
            self._seen.past_done + sum(vitals.progress for vitals in heard),
            _sums(self._seen.past, *(vitals.gauges for vitals in heard)),
        )

    def _worker(self, slot: Slot) -> WorkerReport:
        pulse, vitals = slot.pulse, slot.pulse.vitals
        error = None if vitals is None else vitals.error
        return WorkerReport(
            worker=None if vitals is None else vitals.worker,
            node=None if slot.node is None else self._name_of(slot.node),
            state=_state_of(slot),
            shards=tuple(sorted(queued.task.shard for queued in slot.tasks.values())),
            done=pulse.progress,
            per_second=_rounded(pulse.per_second),
            silent_seconds=_rounded(pulse.silent_seconds) if slot.tasks else None,
            last_error=None if error is None else error.reason,
            last_error_at=None if error is None else round(error.time, 3),
            gauges={} if vitals is None else vitals.gauges,
        )

    def _name_of(self, node_id: str) -> str:
        if node_id not in self._nodes:
            self._nodes = {**self._nodes, **{node.node_id: node.name for node in living_nodes()}}
        return self._nodes.get(node_id, node_id)

    def _named(self, trouble: Trouble) -> Trouble:
        return replace(trouble, node=self._nodes.get(trouble.node or "", trouble.node))


@contextlib.contextmanager
def watched(run: RunDirectory, plan: Plan, unit: str, events: WatchedEvents) -> Iterator[Watch]:
    """Publishes the driver's view of the run while the block runs."""
    every = seconds_between_reports(run)
    watch = Watch(plan, unit, events, every)
    show_as_metrics(str(run.root), watch.report)
    remove_once = cache(partial(remove_old_reports, run, but=driver_name()))

    def write() -> None:
        # Errors here do not matter, or the run's data meets them too.
        with contextlib.suppress(Exception):
            write_report(run, watch.report())
        # Afterwards, so that there is always a driver to show.
        with contextlib.suppress(Exception):
            remove_once()

    with repeated(write, every, LAST_WRITE_SECONDS):
        try:
            yield watch
        finally:
            watch.end("left")


def _trouble(event: str, values: Mapping[str, str | int | float | None]) -> Trouble:
    reason, node, shard = (values.get(name) for name in ("reason", "node", "shard"))
    return Trouble(
        time.time(),
        event,
        reason=None if reason is None else str(reason),
        node=None if node is None else str(node),
        shard=shard if isinstance(shard, int) else None,
    )


def _state_of(slot: Slot) -> WorkerState:
    if slot.ready:
        return "working" if slot.tasks else "idle"
    return "waiting" if slot.node is None else "loading"


def _sums(*gauges: Mapping[str, float]) -> dict[str, float]:
    names = sorted({name for values in gauges for name in values if is_counter(name)})
    return {name: sum(values.get(name, 0.0) for values in gauges) for name in names}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
