"""A shard that is done in parts, or again, loses sight of none of its queries."""

from __future__ import annotations

from collections.abc import Collection

from rankgen.generator.shards.second_try import SecondTry
from rankgen.generator.shards.work import ShardTask
from rankgen.manifests.records import Query
from rankgen.manifests.run.commit_record import Attempt

QUERIES = tuple(Query(name, "") for name in "abcd")


def attempted(task: ShardTask, failing: Collection[str]) -> Attempt:
    """Returns what a worker reports whose teacher fails some queries."""
    lost = {q.query_id: "failed" for q in task.queries if q.query_id in failing}
    return Attempt(
        shard=task.shard,
        revision=task.revision,
        name="attempt",
        quarantined={**task.not_filled(), **lost},
        counts={},
        facts={},
    )


def test_a_bisected_shard_still_names_what_failed_in_its_first_half() -> None:
    half = ShardTask(0, 0, QUERIES).split("died")
    first = attempted(half, "a")
    assert first.quarantined == {"a": "failed", "c": "not tried yet", "d": "not tried yet"}
    rest = half.next(first.quarantined)
    assert rest is not None
    assert (rest.revision, [q.query_id for q in rest.queries]) == (1, ["c", "d"])
    last = attempted(rest, "")
    assert last.quarantined == {"a": "failed"}
    assert rest.next(last.quarantined) is None
    second = SecondTry()
    second.note(rest, last)
    (again,) = second.tasks(lambda shard: QUERIES)
    assert (again.revision, [q.query_id for q in again.queries]) == (2, ["a"])
    assert attempted(again, "").quarantined == {}


def test_the_second_try_still_names_what_was_given_up() -> None:
    alone = ShardTask(0, 0, QUERIES[:1], later=QUERIES[1:]).split("died")
    rest = alone.next(attempted(alone, "").quarantined)
    assert rest is not None
    second = SecondTry()
    second.note(rest, attempted(rest, "b"))
    (again,) = second.tasks(lambda shard: QUERIES)
    assert [q.query_id for q in again.queries] == ["b"]
    assert attempted(again, "").quarantined == {"a": "died"}
