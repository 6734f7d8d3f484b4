"""Failed queries, which are tried once more at the end of a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from rankgen.generator.shards.work import ShardTask
from rankgen.manifests.records import Query
from rankgen.manifests.run.commit_record import Attempt


class _Failed(NamedTuple):
    revision: int
    query_ids: frozenset[str]
    given_up: Mapping[str, str]


class SecondTry:
    """Collects the failed queries of a run.

    A query that killed its workers is not tried again: every try costs a worker.
    """

    def __init__(self) -> None:
        self._failed: dict[int, _Failed] = {}

    def defers(self, task: ShardTask, attempt: Attempt) -> bool:
        """Says whether to defer an attempt in which every query failed, and records it.

        Every query fails while a server is down. They are not quarantined before the other shards
        have shown whether it is back.
        """
        is_whole = task.revision == 0 and not (task.later or task.given_up)
        if not is_whole or attempt.facts.get("filled") != 0:
            return False
        self._failed[task.shard] = _Failed(0, frozenset(attempt.quarantined), {})
        return True

    def note(self, task: ShardTask, attempt: Attempt) -> None:
        """Records the failed queries of a committed attempt; a shard's last attempt counts."""
        failed = frozenset(attempt.quarantined) - task.given_up.keys()
        self._failed[task.shard] = _Failed(task.revision + 1, failed, task.given_up)

    def tasks(self, of_shard: Callable[[int], Sequence[Query]]) -> list[ShardTask]:
        """Returns a task for every shard with failed queries."""
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
