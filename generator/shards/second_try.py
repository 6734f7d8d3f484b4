"""Queries that failed are tried once more at the end of a run, when a bad hour may be over."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from rankgen.generator.shards.work import ShardTask
from rankgen.manifests.records import Query
from rankgen.manifests.run.commit_record import Attempt


class _Failed(NamedTuple):
    """What a shard lacks, and the revision that may hold it."""

    revision: int
    query_ids: frozenset[str]
    given_up: Mapping[str, str]


class SecondTry:
    """Collects the failed queries of a run.

    A query that ended its workers is not tried again: every try costs a worker.
    """

    def __init__(self) -> None:
        self._failed: dict[int, _Failed] = {}

    def defers(self, task: ShardTask, attempt: Attempt) -> bool:
        """Says whether an attempt that filled nothing is not worth a commit yet, and notes it.

        All its queries failed, as they do while a server is gone: they are not put in quarantine
        before it is known whether the others fare better.
        """
        is_whole = task.revision == 0 and not (task.later or task.given_up)
        if not is_whole or attempt.facts.get("filled") != 0:
            return False
        self._failed[task.shard] = _Failed(0, frozenset(attempt.quarantined), {})
        return True

    def note(self, task: ShardTask, attempt: Attempt) -> None:
        """Takes what a committed attempt has left out; the last attempt at a shard counts."""
        failed = frozenset(attempt.quarantined) - task.given_up.keys()
        self._failed[task.shard] = _Failed(task.revision + 1, failed, task.given_up)

    def tasks(self, of_shard: Callable[[int], Sequence[Query]]) -> list[ShardTask]:
        """Returns a task for every shard with failed queries.

        Args:
            of_shard: Returns the planned queries of a shard, sorted by id.
        """
        return [
            ShardTask(
                shard,
                failed.revision,
                tuple(q for q in of_shard(shard) if q.query_id in failed.query_ids),
                given_up=failed.given_up,
            )
            for shard, failed in sorted(self._failed.items())
            if failed.query_ids
        ]
