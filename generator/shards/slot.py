"""What the pool knows of one worker and of one task."""

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
    """A task with what counts against it.

    Attributes:
        task: The task.
        failures: How often it failed or its worker died; of the deaths while other tasks were there
            too, only the first is counted.
        company: Most tasks that may be on its worker, itself included; None without a limit.
    """

    task: ShardTask
    failures: int = 0
    company: int | None = None


@dataclass
class Slot:
    """A worker.

    Attributes:
        actor: Its handle.
        place: Answered with the node's id and the worker's log there, as soon as Ray has found a
            place for it.
        opened: When it was asked for, by the monotonic clock.
        node: The node's id, once it is known.
        said: Answered with what it says while it starts, once it was asked.
        log: The path of its log on that node.
        ready: Whether it has loaded its work.
        tasks: What it is doing.
        pulse: Whether it gets on.
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
        """Whether it loads or has a task."""
        return bool(self.tasks) or not self.ready
