"""Decides which worker may have the next task.

A query is a chain of windows. To keep all its chains busy, a worker has shards with enough queries
for them, and one more, whose first queries run while the last ones of an earlier shard finish.
Queries that have ended count no more, once the worker has told of them, nor do the planned chains
where its engine holds another number. Near the end of a run it gets no more than its share.
"""

from __future__ import annotations

from collections.abc import Collection

from rankgen.generator.shards.pool_settings import PoolSettings
from rankgen.generator.shards.slot import Queued
from rankgen.generator.shards.vitals import Vitals
from rankgen.generator.shards.work import ShardTask


def may_join(
    queued: Queued,
    held: Collection[Queued],
    settings: PoolSettings,
    share: int | None = None,
    vitals: Vitals | None = None,
) -> bool:
    """Says whether a worker may be given one more task.

    Args:
        queued: The task.
        held: The worker's current tasks.
        settings: How many tasks it may have.
        share: Its share of the remaining tasks; None without a limit.
        vitals: What the worker last said; None before it said anything.
    """
    if not held:
        return True
    together = [queued, *held]
    # After a death the guilty task is unknown: suspects do not mix with other tasks.
    if any(bool(one.failures) != bool(queued.failures) for one in held):
        return False
    if any(one.company is not None and len(together) > one.company for one in together):
        return False
    if len(held) < settings.shards_in_flight:
        return True
    if settings.chains < 2 or (share is not None and len(held) >= share):
        return False
    if len(held) >= settings.most_tasks:
        return False
    chains = vitals.chains if vitals is not None and vitals.chains else settings.chains
    left = sum(_left(one.task, vitals) for one in held)
    return left < chains + len(queued.task.queries)


def _left(task: ShardTask, vitals: Vitals | None) -> int:
    ended = 0 if vitals is None else vitals.finished.get(task.shard, 0)
    return max(0, len(task.queries) - ended)


def blame(queued: Queued, died_together: int) -> None:
    """Records that a task was on a worker when the worker died.

    Args:
        queued: The task.
        died_together: Number of tasks on the worker, this one included; also 1 if only the task
            failed.
    """
    # Of deaths with other tasks, only the first counts against it: it may not be the cause. After
    # each, half as many tasks may share a worker, until the one that kills its workers is alone.
    alone = died_together == 1
    queued.failures = queued.failures + 1 if alone else max(queued.failures, 1)
    queued.company = max(1, died_together // 2)
