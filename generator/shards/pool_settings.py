"""How many workers a job has, and what it does when they die."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PoolSettings:
    """How many workers a job has and what it does when they die.

    Attributes:
        workers: Actors alive at a time.
        cpus: CPUs that each reserves.
        gpus: GPUs that each reserves.
        most_on_a_node: Workers that may stand on one node at a time; None leaves it to Ray.
        shards_in_flight: Shards that each works on at a time, however few their queries.
        chains: Queries that each works on at a time, over the borders of shards; it is given more
            shards until they hold so many, and one ahead. Below 2 only `shards_in_flight` counts.
        tries: Deaths or exceptions after which a task is bisected.
        start_failures: Deaths while loading, in a row and with no worker at work, after which the
            job stops.
        start_gap_seconds: Time between two starts: engines that start at the same moment on one
            node race for its ports.
        stall_seconds: A worker whose progress stands still for so long is killed; None never is.
    """

    workers: int = 1
    cpus: float = 1.0
    gpus: float = 0.0
    most_on_a_node: int | None = None
    shards_in_flight: int = 1
    chains: int = 0
    tries: int = 3
    start_failures: int = 3
    start_gap_seconds: float = 0.0
    stall_seconds: float | None = None

    @property
    def most_tasks(self) -> int:
        """Tasks that a worker may have at a time: with a query a shard, every chain is a task."""
        return max(self.shards_in_flight, self.chains + 1)
