"""The pool's record of a worker and of a task."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rankgen.generator.shards.pulse import Pulse
from rankgen.generator.shards.work import ShardTask

if TYPE_CHECKING:
    from ray import ObjectRef
    from ray.actor import ActorHandle

    from rankgen.generator.shards.worker import ShardWorker


@dataclass
class Queued:
    """A task and its failures.

    Attributes:
        task: The task.
        failures: How often it failed or its worker died; of deaths with other tasks on the worker,
            only the first counts.
        company: Maximum number of tasks on its worker, itself included; None without a limit.
    """

    task: ShardTask
    failures: int = 0
    company: int | None = None


@dataclass
class Slot:
    """A worker.

    Attributes:
        actor: Its handle.
        place: Resolves to the node's id and the worker's log there, once Ray has placed it.
        opened: When it was requested, by the monotonic clock.
        node: The node's id, once known.
        said: Resolves to the worker's last message while it starts; None before it was asked.
        log: The path of its log on that node.
        ready: Whether it has loaded its work.
        tasks: Its current tasks.
        pulse: Its progress.
    """

    actor: ActorHandle[ShardWorker]
    place: ObjectRef[tuple[str, str | None]]
    opened: float
    said: ObjectRef[str | None] | None = None
    node: str | None = None
    log: str | None = None
    ready: bool = False
    tasks: dict[ObjectRef[object], Queued] = field(default_factory=dict)
    pulse: Pulse = field(default_factory=Pulse)

    @property
    def is_busy(self) -> bool:
        """Whether it is loading or has a task."""
        return bool(self.tasks) or not self.ready
