"""Starts workers: on which nodes, how soon after each other, and when to give up.

A worker that cannot start is a problem of its node, not of the run: the node is avoided for a
while, and the other workers go on. A run in which no worker has ever started stops once every node
has failed. A run that has worked keeps trying for half an hour, as nodes or a server may come back,
and then stops, so that its resources are free for others.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, cast

from rankgen.generator.shards.driver_variables import driver_variables
from rankgen.generator.shards.events import EventLog
from rankgen.generator.shards.last_words import last_words
from rankgen.generator.shards.nodes import NodesAside, amounts, full_nodes, living_nodes
from rankgen.generator.shards.pool_settings import PoolSettings
from rankgen.generator.shards.slot import Slot
from rankgen.generator.shards.worker_errors import own_error, surprise
from rankgen.manifests.errors import EnvironmentProblem, RankgenError

if TYPE_CHECKING:
    from ray import ObjectRef
    from ray.actor import ActorHandle

    from rankgen.generator.shards.worker import ShardWorker

WAITING_SECONDS = 30.0
ANSWER_SECONDS = 5.0
# How long, and how often, a run that has worked keeps trying while no worker can start.
PATIENCE_SECONDS = 1800.0
LONGEST_GAP_SECONDS = 60.0
# Creates a new, unnamed actor without restarts, on any node but those given.
MakeActor = Callable[[Sequence[str]], "ActorHandle[ShardWorker]"]


class Starts:
    """The workers of one pool that are being started."""

    def __init__(
        self,
        make_actor: MakeActor,
        settings: PoolSettings,
        events: EventLog,
        tell: Callable[[str], None],
    ) -> None:
        self._make_actor, self._settings = make_actor, settings
        self._events, self._tell = events, tell
        self._aside = NodesAside()
        self._failures = 0
        self._has_worked = False
        self._failing_since = 0.0
        self._next = 0.0
        self.starting: dict[ObjectRef[object], Slot] = {}

    def open(self, slots: Sequence[Slot]) -> Slot | None:
        """Requests one more worker; returns None if it is too early for one."""
        avoided, most = self._aside.ids(), self._settings.most_on_a_node
        if most is not None:
            if not all(_has_place(slot) for slot in slots):
                return None  # The node that it will be placed on may then be full.
            avoided = sorted({*avoided, *full_nodes((slot.node for slot in slots), most)})
        if self._settings.one_start_at_a_time and self.starting:
            return None
        if time.monotonic() < self._next or not self._usable(avoided):
            return None
        self._next = time.monotonic() + self._settings.start_gap_seconds
        actor = self._make_actor(avoided)
        place, started = _first_calls(actor)
        slot = Slot(actor, place, time.monotonic())
        self.starting[started] = slot
        return slot

    def may_open(self) -> bool:
        """Says whether some node has room for a worker and need not be avoided now."""
        return self._usable(self._aside.ids())

    def look(self) -> None:
        """Finds out where new workers are; shows their messages, and that one waits for a place."""
        late = [slot for slot in self.starting.values() if not _has_place(slot) and is_late(slot)]
        if late:
            wanted = amounts(len(late) * self._settings.cpus, len(late) * self._settings.gpus)
            # Always the same text, so that it is shown once.
            self._tell(f"waiting for {wanted} of the Ray cluster, which other work uses")
        for slot in self.starting.values():
            said = _news(slot) if slot.node is not None else None
            if said is not None:
                self._tell(said)

    def finish(self, ref: ObjectRef[object], at_work: int) -> tuple[Slot, bool]:
        """Handles the end of a start.

        Args:
            ref: A key of `starting`.
            at_work: Number of workers that are ready.

        Returns:
            The slot, and whether its worker is ready; if not, the caller drops the slot.

        Raises:
            RankgenError: No worker can start: every node has failed.
        """
        import ray

        slot = self.starting.pop(ref)
        # The place was requested first, but its answer may come later.
        _has_place(slot, ANSWER_SECONDS)
        try:
            process = ray.get(cast("ObjectRef[int]", ref))
        except ray.exceptions.RayTaskError as error:
            # Even a UsageError: a node may lack a folder that others see.
            problem = own_error(error) or surprise("a worker could not start", error)
            self._failed(slot, problem, 1, at_work)
            return slot, False
        except ray.exceptions.RayError as error:
            self._failed(
                slot,
                EnvironmentProblem(
                    f"{self._failures + 1} workers in a row died while loading "
                    f"({type(error).__name__}{last_words(slot.log)})",
                    "repeat the command with --debug to see the workers' own output",
                ),
                self._settings.start_failures,
                at_work,
            )
            return slot, False
        slot.ready, self._failures, self._has_worked = True, 0, True
        if slot.node is not None:
            self._aside.forgive(slot.node)
        self._events.write("worker ready", process=process, node=slot.node)
        return slot, True

    def _failed(self, slot: Slot, problem: RankgenError, tries: int, at_work: int) -> None:
        now = time.monotonic()
        if self._failures == 0:
            self._failing_since = now
        self._failures += 1
        pause = None if slot.node is None else self._aside.set_aside(slot.node)
        self._events.write(
            "worker could not start", node=slot.node, reason=problem.message, pause=pause
        )
        if at_work:
            return
        # Ray takes a while to notice a lost node, and would place the next worker there too.
        self._next = now + min(2.0**self._failures, LONGEST_GAP_SECONDS)
        if self._has_worked and now - self._failing_since < PATIENCE_SECONDS:
            self._tell(f"no worker can start at the moment: {problem.message}; trying again")
            return
        tried = self._failures >= max(tries, len(self._holding()))
        # Workers that still load may succeed, but each failed one is replaced: so there is a limit.
        if tried and (not self.starting or self._failures >= 2 * self._settings.workers):
            raise problem

    def _usable(self, aside: Sequence[str]) -> bool:
        return not aside or any(node_id not in aside for node_id in self._holding())

    def _holding(self) -> list[str]:
        settings = self._settings
        return [n.node_id for n in living_nodes() if n.holds(settings.cpus, settings.gpus)]


def is_late(slot: Slot) -> bool:
    """Says whether a worker has been waiting long for a place."""
    waits = not slot.ready and slot.node is None
    return waits and time.monotonic() - slot.opened > WAITING_SECONDS


def _first_calls(
    actor: ActorHandle[ShardWorker],
) -> tuple[ObjectRef[tuple[str, str | None]], ObjectRef[object]]:
    return actor.place.remote(), actor.start.remote(driver_variables())


def _news(slot: Slot) -> str | None:
    import ray

    asked = slot.said
    if asked is not None and not ray.wait([asked], timeout=0)[0]:
        return None
    slot.said = _ask(slot.actor)
    try:
        return None if asked is None else ray.get(asked)
    except ray.exceptions.RayError:
        return None  # Its start reports its death.


def _ask(actor: ActorHandle[ShardWorker]) -> ObjectRef[str | None]:
    return actor.said.remote()


def _has_place(slot: Slot, patience_s: float = 0.0) -> bool:
    """Says whether Ray has placed a worker, and records where."""
    import ray

    if slot.node is None and ray.wait([slot.place], timeout=patience_s)[0]:
        # If the worker is dead already, its start reports it.
        with contextlib.suppress(ray.exceptions.RayError):
            slot.node, slot.log = ray.get(slot.place)
    return slot.node is not None
