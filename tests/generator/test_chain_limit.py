"""How many chains run: from the engine's capacity, then by its queue; and which of them first."""

from __future__ import annotations

import asyncio
import heapq
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rankgen.generator.engines.capacity import Capacity
from rankgen.generator.jobs.label.chain_limit import ChainLimit, Load
from rankgen.generator.jobs.label.gate import Gate


@pytest.mark.parametrize(
    ("tokens", "requests", "chains"),
    [(430_000, 1024, 209), (430_000, 128, 141), (54_000, 1024, 26), (100, 256, 1)],
)
def test_the_first_number_is_what_the_cache_holds(tokens: int, requests: int, chains: int) -> None:
    assert ChainLimit(Capacity(tokens, requests, 4112)).chains == chains


def looked(limit: ChainLimit, *loads: tuple[float, float, float, float], short: bool) -> int:
    """Returns the number of chains after these looks."""
    for load in loads:
        limit.look(Load(*load), short)
    return limit.chains


def hundred() -> ChainLimit:
    return ChainLimit(Capacity(100 * 2056, 1000, 4112))


def test_an_empty_queue_and_room_let_more_begin() -> None:
    assert looked(hundred(), *[(0, 100, 0.3, 0)] * 4, short=True) == 200
    # No further than the cache holds.
    assert looked(hundred(), *[(0, 100, 0.75, 0)] * 4, short=True) == 120


@pytest.mark.parametrize(
    "loads",
    [
        [(0, 100, 0.5, 0)] * 3,
        [(0, 100, 0.95, 0)] * 4,
        # A queue that empties now and then is what keeps the engine busy.
        [(0, 100, 0.5, 0), (40, 60, 0.5, 0)] * 3,
        [(9, 91, 0.99, 0)] * 8,
    ],
)
def test_a_busy_engine_is_left_alone(loads: list[tuple[float, float, float, float]]) -> None:
    assert looked(hundred(), *loads, short=True) == 100


def test_chains_that_nobody_waits_to_begin_are_not_counted_up() -> None:
    assert looked(hundred(), *[(0, 20, 0.1, 0)] * 40, short=False) == 100


def test_a_standing_queue_and_postponed_requests_make_them_fewer() -> None:
    assert looked(hundred(), *[(30, 70, 0.99, 0)] * 4, short=True) == 80
    limit = hundred()
    assert looked(limit, (0, 100, 0.99, 2), short=True) == 80
    # The counter counts from the start: only new ones matter.
    assert looked(limit, (0, 80, 0.95, 2), short=True) == 80
    assert looked(limit, (0, 80, 0.95, 3), short=True) == 64


@given(
    st.builds(Capacity, st.integers(1, 10**6), st.integers(1, 2000), st.integers(1, 9000)),
    st.lists(
        st.tuples(
            st.builds(
                Load, st.integers(0, 3000), st.integers(0, 3000), st.floats(0, 1), st.integers(0, 9)
            ),
            st.booleans(),
        )
    ),
)
def test_there_is_always_one_and_never_far_more_than_a_batch(
    capacity: Capacity, looks: list[tuple[Load, bool]]
) -> None:
    limit = ChainLimit(capacity)
    for load, is_short in looks:
        assert 1 <= limit.look(load, is_short) <= math.ceil(1.1 * capacity.requests)


def test_an_engine_settles_where_few_wait() -> None:
    # Works on 37 at once, however many it is given; the cache seems to hold 100.
    limit = hundred()
    for _ in range(200):
        waiting = max(0, limit.chains - 37)
        limit.look(Load(waiting, limit.chains - waiting, 0.3, 0), is_short=True)
    assert 37 < limit.chains <= 45


async def _passing(gate: Gate, chains: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Returns the chains in the order in which the gate let them in, one after the other."""
    passed = list[tuple[int, int]]()

    async def one(shard: int, windows: int) -> None:
        async with gate.passed(shard, windows):
            passed.append((shard, windows))
            await asyncio.sleep(0)

    await asyncio.gather(*(one(*chain) for chain in chains))
    assert gate.inside == gate.waiting == 0
    return passed


def test_shards_pass_in_order_and_their_longest_chains_first() -> None:
    chains = [(2, 9), (1, 3), (1, 9), (1, 5), (2, 4)]
    # Whoever comes first finds an open gate.
    found = asyncio.run(_passing(Gate(1), chains))
    assert found == [(2, 9), (1, 9), (1, 5), (1, 3), (2, 4)]


def makespan(lengths: list[int], places: int) -> int:
    """Returns when the last chain ends; each begins in its turn, in the first free place."""
    free = [0] * places
    for length in lengths:
        heapq.heappush(free, heapq.heappop(free) + length)
    return max(free)


def test_no_long_chain_runs_alone_at_the_end() -> None:
    lengths = [3, 1, 2, 1, 2, 3, 1, 9]
    found = asyncio.run(_passing(Gate(1), [(1, 99), *((1, n) for n in lengths)]))
    assert makespan([length for _, length in found[1:]], 3) == 9
    assert makespan(lengths, 3) == 13


async def _limits() -> None:
    gate, held = Gate(1), asyncio.Event()

    async def one() -> None:
        async with gate.passed(0, 1):
            await held.wait()

    chains = [asyncio.create_task(one()) for _ in range(6)]
    await asyncio.sleep(0)
    assert (gate.inside, gate.waiting) == (1, 5)
    gate.limit = 3
    assert (gate.inside, gate.waiting) == (3, 3)
    gate.limit = 2
    assert gate.inside == 3
    # One that waits, and one that is inside: its place is not given away, for two are left.
    for chain in (chains[5], chains[0]):
        chain.cancel()
        await asyncio.gather(chain, return_exceptions=True)
    assert (gate.inside, gate.waiting) == (2, 2)
    chains[1].cancel()
    await asyncio.gather(chains[1], return_exceptions=True)
    assert (gate.inside, gate.waiting) == (2, 1)
    held.set()
    await asyncio.gather(*chains, return_exceptions=True)
    assert (gate.inside, gate.waiting) == (0, 0)


def test_the_gate_opens_and_closes_while_chains_run() -> None:
    asyncio.run(_limits())


async def _cancelled_in_the_moment() -> None:
    gate = Gate(1)

    async def one() -> None:
        async with gate.passed(0, 1):
            await asyncio.sleep(0)

    async with gate.passed(0, 1):
        chain = asyncio.create_task(one())
        await asyncio.sleep(0)
    # It has been let in, but has not run since.
    assert gate.inside == 1
    chain.cancel()
    await asyncio.gather(chain, return_exceptions=True)
    assert gate.inside == 0


def test_a_chain_that_is_cancelled_on_the_threshold_leaves_its_place() -> None:
    asyncio.run(_cancelled_in_the_moment())
