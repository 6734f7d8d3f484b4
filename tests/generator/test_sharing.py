"""Which worker may be given the next task, and what a death says of those that were there."""

from __future__ import annotations

import pytest

from rankgen.generator.shards.pool_settings import PoolSettings
from rankgen.generator.shards.sharing import blame, may_join
from rankgen.generator.shards.slot import Queued
from rankgen.generator.shards.vitals import Vitals
from rankgen.generator.shards.work import ShardTask
from rankgen.manifests.records import Query


def task(queries: int) -> Queued:
    return Queued(ShardTask(0, 0, tuple(Query(f"q{n}", "") for n in range(queries))))


def given(size: int, settings: PoolSettings, share: int | None = None) -> int:
    """Returns how many tasks of a size one worker is given."""
    held: list[Queued] = []
    while may_join(task(size), held, settings, share):
        held.append(task(size))
    assert len(held) <= settings.most_tasks
    return len(held)


@pytest.mark.parametrize(
    ("size", "chains", "tasks"),
    # One ahead of those that hold the chains.
    [(1, 24, 25), (100, 256, 4), (100, 32, 2), (24, 24, 2), (1, 1, 1), (100, 0, 1)],
)
def test_a_worker_has_shards_for_its_chains_and_one_ahead(
    size: int, chains: int, tasks: int
) -> None:
    assert given(size, PoolSettings(chains=chains)) == tasks
    # All chains still have queries when only the last one of the first shard runs.
    assert (tasks - 1) * size >= chains or chains < 2


def test_ended_queries_and_the_engines_own_number_count() -> None:
    held = [Queued(ShardTask(n, 0, task(100).task.queries)) for n in range(4)]
    settings = PoolSettings(chains=256)

    def joins(**said: object) -> bool:
        return may_join(task(100), held, settings, None, Vitals("w", 0, **said))  # type: ignore[arg-type]  # each is one of its fields

    assert not may_join(task(100), held, settings)
    assert not joins()
    # Of 400 queries, 45 have ended: fewer than 256 and one shard are left.
    assert joins(finished={0: 30, 3: 15, 9: 100})
    assert not joins(finished={0: 30, 3: 14, 9: 100})
    assert joins(chains=301)
    assert not joins(chains=300)
    assert not may_join(task(100), held[:2], settings, None, Vitals("w", 0, chains=100))


def test_a_worker_has_no_more_tasks_than_its_process_can_run() -> None:
    held = [Queued(ShardTask(n, 0, task(1).task.queries)) for n in range(5)]
    more = Vitals("w", 0, chains=100)
    assert not may_join(task(1), held, PoolSettings(chains=4), None, more)
    assert may_join(task(1), held, PoolSettings(chains=5), None, more)


def test_a_worker_has_no_more_than_its_share_of_the_last_shards() -> None:
    settings = PoolSettings(chains=24)
    assert [given(1, settings, share) for share in (1, 3, 100)] == [1, 3, 25]


def test_shards_in_flight_are_those_of_jobs_without_chains() -> None:
    assert given(1, PoolSettings(shards_in_flight=2), share=1) == 2


def test_what_was_there_at_a_death_is_kept_from_what_was_not() -> None:
    settings = PoolSettings(chains=24)
    suspect, fresh = task(1), task(1)
    blame(suspect, 8)
    assert may_join(suspect, [], settings)
    assert not may_join(suspect, [fresh], settings)
    assert not may_join(fresh, [suspect], settings)


def test_the_cause_of_deaths_is_found_among_many_and_no_other_is_convicted() -> None:
    settings = PoolSettings(chains=24)
    tasks = [task(1) for _ in range(25)]
    poison, deaths = tasks[7], 0
    while poison.failures < settings.tries and deaths < 20:
        waiting = [poison, *(one for one in tasks if one is not poison)]
        held: list[Queued] = []
        while waiting and may_join(waiting[0], held, settings):
            held.append(waiting.pop(0))
        for one in held:
            blame(one, len(held))
        deaths += 1
    assert {one.failures for one in tasks if one is not poison} == {1}
    # 25, 12, 6, 3, and then twice alone.
    assert deaths == 6
