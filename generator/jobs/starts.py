"""Starts workers: where, how soon after each other, and when it is no use to go on trying.

A worker that cannot start says something of its node, not of the run: the node is left alone for a
while, and the others work on. Only when no worker is at work and every node had its chance does the
run stop.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, cast

from rankgen.generator.jobs.driver_variables import driver_variables
from rankgen.generator.jobs.events import EventLog
from rankgen.generator.jobs.last_words import last_words
from rankgen.generator.jobs.nodes import NodesAside, amounts, living_nodes
from rankgen.generator.jobs.pool_settings import PoolSettings
from rankgen.generator.jobs.slot import Slot
from rankgen.generator.jobs.worker_errors import own_error, surprise
from rankgen.manifests.errors import EnvironmentProblem, RankgenError

if TYPE_CHECKING:
    from ray import ObjectRef
    from ray.actor import ActorHandle

    from rankgen.generator.jobs.worker import ShardWorker

WAITING_SECONDS = 30.0
# Makes a fresh, unnamed actor without restarts of its own, on any node but those named.
MakeActor = Callable[[Sequence[str]], "ActorHandle[ShardWorker]"]


class Starts:
    """The workers of one pool that are being started.

    Args:
        make_actor: See `MakeActor`.
        settings: The pool's.
        events: Where failures are written.
        tell: Shows a sentence to the user while the run goes on.
    """

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
        self._next = 0.0
        self.starting: dict[ObjectRef[object], Slot] = {}

    def open(self) -> Slot | None:
        """Asks for one more worker; None when none may be asked for yet."""
        aside = self._aside.ids()
        if time.monotonic() < self._next or not self._usable(aside):
            return None
        self._next = time.monotonic() + self._settings.start_gap_seconds
        actor = self._make_actor(aside)
        place, started = _first_calls(actor)
        slot = Slot(actor, place, time.monotonic())
        self.starting[started] = slot
        return slot

    def look(self) -> None:
        """Learns where the new workers are, and says when one waits long for a place."""
        now = time.monotonic()
        late = [
            slot
            for slot in self.starting.values()
            if not _has_place(slot) and now - slot.opened > WAITING_SECONDS
        ]
        if late:
            wanted = amounts(len(late) * self._settings.cpus, len(late) * self._settings.gpus)
            # The same words every time, so that they are shown once.
            self._tell(f"waiting for {wanted} of the Ray cluster, which other work holds")

    def finish(self, ref: ObjectRef[object], at_work: int) -> tuple[Slot, bool]:
        """Takes the end of a start.

        Args:
            ref: A key of `starting`.
            at_work: Workers that are ready.

        Returns:
            The slot, and whether its worker is ready; one that is not is to be dropped.

        Raises:
            RankgenError: No worker can start: every node has failed.
        """
        import ray

        slot = self.starting.pop(ref)
        _has_place(slot)
        try:
            process = ray.get(cast("ObjectRef[int]", ref))
        except ray.exceptions.RayTaskError as error:
            # Also where it looks like a wrong setting: a node may lack a folder that others see.
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
        slot.ready, self._failures = True, 0
        if slot.node is not None:
            self._aside.forgive(slot.node)
        self._events.write("worker ready", process=process, node=slot.node)
        return slot, True

    def _failed(self, slot: Slot, problem: RankgenError, tries: int, at_work: int) -> None:
        self._failures += 1
        pause = None if slot.node is None else self._aside.set_aside(slot.node)
        self._events.write(
            "worker could not start", node=slot.node, reason=problem.message, pause=pause
        )
        if at_work:
            return
        tried = self._failures >= max(tries, len(self._holding()))
        # Others that still load may succeed, but not for ever: each would be asked for again.
        if tried and (not self.starting or self._failures >= 2 * self._settings.workers):
            raise problem

    def _usable(self, aside: Sequence[str]) -> bool:
        return not aside or any(node_id not in aside for node_id in self._holding())

    def _holding(self) -> list[str]:
        settings = self._settings
        return [n.node_id for n in living_nodes() if n.holds(settings.cpus, settings.gpus)]


def _first_calls(
    actor: ActorHandle[ShardWorker],
) -> tuple[ObjectRef[tuple[str, str | None]], ObjectRef[object]]:
    return actor.place.remote(), actor.start.remote(driver_variables())


def _has_place(slot: Slot) -> bool:
    """Says whether Ray has found a place for a worker, and notes which."""
    import ray

    if slot.node is None and ray.wait([slot.place], timeout=0)[0]:
        # Of a worker that is dead already its start tells.
        with contextlib.suppress(ray.exceptions.RayError):
            slot.node, slot.log = ray.get(slot.place)
    return slot.node is not None
