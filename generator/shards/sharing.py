"""Which worker may be given the next task.

A query is a chain of windows. A worker keeps its chains busy over the borders of shards: it has so
many shards that their queries hold all its chains, and one ahead, whose first queries run while the
last ones of an earlier shard are finished. Near the end of a run it has no more than its share.
"""

from __future__ import annotations

from collections.abc import Collection

from rankgen.generator.shards.pool_settings import PoolSettings
from rankgen.generator.shards.slot import Queued


def may_join(
    queued: Queued, held: Collection[Queued], settings: PoolSettings, share: int | None = None
) -> bool:
    """Says whether a worker may be given one more task.

    Args:
        queued: The task.
        held: What the worker is doing.
        settings: How much it works on at a time.
        share: Tasks that are its part of what is left; None where there is enough for all.
    """
    if not held:
        return True
    together = [queued, *held]
    # After a death nobody knows whose fault it was: what was there is kept from what was not.
    if any(bool(one.failures) != bool(queued.failures) for one in held):
        return False
    if any(one.company is not None and len(together) > one.company for one in together):
        return False
    if len(held) < settings.shards_in_flight:
        return True
    if settings.chains < 2 or (share is not None and len(held) >= share):
        return False
    return sum(len(one.task.queries) for one in held) < settings.chains + len(queued.task.queries)


def blame(queued: Queued, died_together: int) -> None:
    """Notes that a task was on a worker when it died.

    Args:
        queued: The task.
        died_together: The tasks that the worker had, this one included; 1 also where the task
            itself has failed.
    """
    # Of deaths in company only the first counts against it: it is not known to be the cause. Every
    # further one has half as many tasks there, until the one that ends its workers is alone.
    alone = died_together == 1
    queued.failures = queued.failures + 1 if alone else max(queued.failures, 1)
    queued.company = max(1, died_together // 2)
