"""The number of workers of a job, their resources, and what happens when they die."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PoolSettings:
    """Settings of a pool of workers.

    Attributes:
        workers: Number of workers at a time.
        cpus: CPUs of each worker.
        gpus: GPUs of each worker.
        most_on_a_node: Maximum number of workers on a node; None leaves it to Ray.
        shards_in_flight: Shards that a worker may always work on at once.
        chains: Queries that a worker works on at once, across shards: it gets shards until they
            have so many queries, and one more. Below 2, only `shards_in_flight` counts.
        tries: Deaths or exceptions after which a task is bisected.
        start_failures: Deaths while loading, in a row and without a ready worker, after which the
            job stops.
        start_gap_seconds: Seconds between two starts: engines that start together on a node
            compete for its ports.
        one_start_at_a_time: Whether a worker starts only when no other one is starting.
        stall_seconds: Seconds without progress after which a worker is killed; None for never.
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
    one_start_at_a_time: bool = False
    stall_seconds: float | None = None

    @property
    def most_tasks(self) -> int:
        """Maximum number of tasks of a worker; with one query per shard, every chain is a task."""
        return max(self.shards_in_flight, self.chains + 1)
