"""Strategies: right on a true teacher, calls as published, and evidence that replays."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rankgen.generator.answers.outcomes import TeacherFailure, WindowResult
from rankgen.generator.answers.query_outcomes import QueryRanking
from rankgen.generator.jobs.label.checks import replayed
from rankgen.generator.jobs.label.rows import window_table
from rankgen.generator.strategies.chain import Chain
from rankgen.generator.strategies.orders import InputOrder
from rankgen.generator.strategies.ranking import rank_chain, rank_query
from rankgen.generator.strategies.registry import STRATEGIES, StrategyName, shape_of
from rankgen.generator.strategies.shape import Shape
from rankgen.generator.strategies.voting import Vote, by_votes
from rankgen.generator.teachers.settings import LabelSettings
from rankgen.manifests.errors import UsageError
from rankgen.manifests.records import Document, Query
from rankgen.manifests.replay import places_shown

NAMES: tuple[StrategyName, ...] = get_args(StrategyName)
UNTOLD = Shape(None)
OTHERS = [name for name in NAMES if name != "sliding"]


class TrueTeacher:
    """Orders by the number that a passage's id is, smallest first; notes what it was shown."""

    name = "true"

    def __init__(self) -> None:
        self.shown = list[list[str]]()

    async def rank_window(self, query: Query, passages: Sequence[Document]) -> WindowResult:
        self.shown.append([passage.doc_id for passage in passages])
        order = sorted(range(len(passages)), key=lambda i: self.value(query, passages, i))
        return WindowResult(tuple(order))

    def value(self, query: Query, passages: Sequence[Document], number: int) -> float:
        return float(passages[number].doc_id)


class MoodyTeacher(TrueTeacher):
    """Finds anew in every window which passage is how good, and leaves some out."""

    def value(self, query: Query, passages: Sequence[Document], number: int) -> float:
        ids = " ".join(passage.doc_id for passage in passages)
        return random.Random(f"{ids} {number}").random()

    async def rank_window(self, query: Query, passages: Sequence[Document]) -> WindowResult:
        answer = await super().rank_window(query, passages)
        named = random.Random(str(self.shown[-1])).randint(1, len(passages))
        rest = sorted(answer.permutation[named:])
        return WindowResult((*answer.permutation[:named], *rest), missing=len(rest))


def listed(order: Sequence[int]) -> list[Document]:
    return [Document(str(number), "", "") for number in order]


def ranked(
    name: StrategyName,
    order: Sequence[int],
    teacher: TrueTeacher,
    asked: Shape = UNTOLD,
    **more: int,
) -> QueryRanking:
    shape = shape_of(name, asked, Shape(20, 10))
    query = Query("q", "")
    return asyncio.run(
        rank_query(query, listed(order), teacher, strategy=name, **shape._asdict(), **more)
    )


def calls_of(ranking: QueryRanking) -> list[Any]:
    """Returns the calls as rows of the table, in the order they were made."""
    rows: list[Any] = window_table([ranking]).to_pylist()
    return rows


def shown_again(ranking: QueryRanking, order: Sequence[int]) -> list[list[str]]:
    """Returns the ids that each call showed, by its row alone."""
    found, rows = list[list[str]](), calls_of(ranking)
    for number, row in enumerate(rows):
        before = replayed(rows[:number], len(order))
        assert before is not None
        places = places_shown(row["start"], row["end"], row["shown"])
        found.append([str(order[before[place]]) for place in places])
    return found


def test_every_name_has_a_strategy() -> None:
    assert set(NAMES) == set(STRATEGIES)


@given(
    name=st.sampled_from(NAMES),
    n=st.integers(1, 70),
    window=st.integers(3, 12),
    random_state=st.randoms(use_true_random=False),
    data=st.data(),
)
def test_a_true_teacher_s_top_is_right(
    name: StrategyName, n: int, window: int, random_state: random.Random, data: st.DataObject
) -> None:
    order = random_state.sample(range(n), n)
    top = data.draw(st.integers(1, window - 1))
    asked = Shape(window, window - top) if name == "sliding" else Shape(window, top=top)
    ranking = ranked(name, order, TrueTeacher(), asked)
    assert [order[place] for place in ranking.order[:top]] == list(range(min(top, n)))


@given(
    name=st.sampled_from(NAMES),
    n=st.integers(1, 40),
    window=st.integers(3, 9),
    passes=st.integers(1, 2),
    given_as=st.sampled_from(get_args(InputOrder)),
    votes=st.sampled_from([None, 1, 3]),
)
def test_the_evidence_of_any_teacher_leads_to_its_permutation(
    name: StrategyName, n: int, window: int, passes: int, given_as: InputOrder, votes: int | None
) -> None:
    teacher, order = MoodyTeacher(), list(range(n))
    shape = shape_of(name, Shape(window), Shape(None))
    chain = Chain(Query("q", ""), listed(order), teacher, given=given_as, votes=votes)
    ranking = asyncio.run(rank_chain(chain, name, shape, passes))
    assert sorted(ranking.order) == order
    assert replayed(calls_of(ranking), n) == list(ranking.order)
    asked = [one for one in shown_again(ranking, order) if len(one) > 1]
    assert asked == teacher.shown


def test_a_sliding_window_needs_no_more_than_its_spans() -> None:
    ranking = ranked("sliding", range(100), MoodyTeacher(), passes=2)
    assert all(row["shown"] is None and row["reordered"] is None for row in calls_of(ranking))
    whole = [(window.start, window.end) for window in ranking.windows]
    assert whole == [(end - 20, end) for end in range(100, 10, -10)] * 2


@pytest.mark.parametrize(
    ("name", "order", "calls"),
    [
        # Parry et al.: the first window, five partitions of up to 19 against the pivot, and a last
        # call where one of them holds a candidate.
        ("tdpart", range(100), 6),
        ("tdpart", [*range(9), *range(10, 100), 9], 7),
        ("tdpart", range(20), 1),
        # Groups of 20: five, then 20 + 20 of fifty (ten go on unasked), then 20 of thirty, then 20.
        ("tournament", range(100), 5 + 2 + 1 + 1),
        ("tournament", range(99, -1, -1), 9),
        # Ten rounds of windows of four, each moving up by three: ceil(99 / 3), ceil(98 / 3), ...
        ("setwise-bubble", range(100), sum(-(-(99 - first) // 3) for first in range(10))),
        ("sliding", range(100), 9),
    ],
)
def test_calls_are_those_published(name: StrategyName, order: Sequence[int], calls: int) -> None:
    teacher = TrueTeacher()
    ranked(name, order, teacher)
    assert len(teacher.shown) == calls


def published_heap(values: list[int], children: int, k: int) -> tuple[list[int], int]:
    """Counts the comparisons of setwise heap sort as Zhuang et al. describe and count them."""
    compared = 0

    def heapify(size: int, node: int) -> None:
        nonlocal compared
        below = list(range(children * node + 1, min(children * (node + 1) + 1, size)))
        if not below:
            return
        compared += 1
        best = min([node, *below], key=lambda place: values[place])
        if best != node:
            values[node], values[best] = values[best], values[node]
            heapify(size, best)

    for node in range(len(values) // children, -1, -1):
        heapify(len(values), node)
    for done, last in enumerate(range(len(values) - 1, 0, -1), start=1):
        values[last], values[0] = values[0], values[last]
        if done == k:
            break
        heapify(last, 0)
    return values[::-1][:k], compared


@given(
    n=st.integers(2, 60),
    children=st.integers(1, 5),
    k=st.integers(1, 12),
    random_state=st.randoms(use_true_random=False),
)
def test_setwise_asks_as_often_as_published(
    n: int, children: int, k: int, random_state: random.Random
) -> None:
    order, teacher = random_state.sample(range(n), n), TrueTeacher()
    ranking = ranked("setwise", order, teacher, Shape(children + 1, top=k))
    best, compared = published_heap(list(order), children, k)
    assert len(teacher.shown) == compared
    assert [order[place] for place in ranking.order[:k]] == best
    # Below the top the first stage's order stays.
    rest = [order[place] for place in ranking.order[k:]]
    assert rest == [value for value in order if value not in best]


def test_votes_show_other_orders_and_say_what_they_showed() -> None:
    teacher, query = TrueTeacher(), Query("q", "")
    chain = Chain(query, listed(range(6)), teacher, votes=3)
    asyncio.run(rank_chain(chain, "sliding", Shape(None)))
    assert len({tuple(one) for one in teacher.shown}) == 3
    assert all(sorted(one) == list("012345") for one in teacher.shown)
    again = TrueTeacher()
    other = Chain(query, listed(range(6)), again, votes=3, seed=1)
    asyncio.run(rank_chain(other, "sliding", Shape(None)))
    assert not {tuple(one) for one in teacher.shown} & {tuple(one) for one in again.shown}


class FirstShownTeacher(TrueTeacher):
    """Finds whatever it is shown first the best: nothing but a bias to places."""

    def value(self, query: Query, passages: Sequence[Document], number: int) -> float:
        return float(number) if number < 3 else 3 + float(passages[number].doc_id)


def test_votes_take_out_a_bias_to_places() -> None:
    order = list(range(19, -1, -1))
    plain = ranked("sliding", order, FirstShownTeacher())
    chain = Chain(Query("q", ""), listed(order), FirstShownTeacher(), votes=20)
    voted = asyncio.run(rank_chain(chain, "sliding", Shape(20, 10)))
    assert [order[place] for place in plain.order[:3]] == [19, 18, 17]
    assert max(order[place] for place in voted.order[:3]) < 6


def test_votes_by_hand() -> None:
    # Sums of places: 0: 0 + 1 + 2, 1: 1 + 0 + 0, 2: 2 + 2 + 1.
    full = [Vote([0, 1, 2], 3), Vote([1, 0, 2], 3), Vote([1, 2, 0], 3)]
    assert by_votes(full) == [1, 0, 2]
    # The vote that names 3 alone says nothing about the others, whatever order they follow in.
    assert by_votes([Vote([0, 1, 2, 3], 4), Vote([3, 2, 1, 0], 1)]) == [0, 1, 3, 2]
    assert by_votes([Vote([0, 1, 2, 3], 4), Vote([3, 1, 2, 0], 1)]) == [0, 1, 3, 2]


class SlowTeacher(MoodyTeacher):
    """Answers after a while that is drawn anew in every process."""

    async def rank_window(self, query: Query, passages: Sequence[Document]) -> WindowResult:
        await asyncio.sleep(random.random() / 500)
        return await super().rank_window(query, passages)


@pytest.mark.parametrize("name", NAMES)
def test_what_answers_first_makes_no_difference(name: StrategyName) -> None:
    shape = shape_of(name, Shape(None), Shape(10, 5))

    async def together() -> list[tuple[int, ...]]:
        teacher = SlowTeacher()
        chains = [
            Chain(Query(f"q{number}", ""), listed(range(25)), teacher, votes=2)
            for number in range(4)
        ]
        done = await asyncio.gather(*(rank_chain(chain, name, shape) for chain in chains))
        return [ranking.order for ranking in done]

    first = asyncio.run(together())
    assert first == asyncio.run(together())
    assert len(set(first)) > 1


class FailingTeacher(TrueTeacher):
    async def rank_window(self, query: Query, passages: Sequence[Document]) -> WindowResult:
        answer = await super().rank_window(query, passages)
        if len(self.shown) == 4:
            raise TeacherFailure("no answer")
        return answer


@pytest.mark.parametrize("name", OTHERS)
def test_a_failed_window_is_named_as_it_was_shown(name: StrategyName) -> None:
    order = list(range(59, -1, -1))
    shape = shape_of(name, Shape(None), Shape(10, 5))
    teacher = FailingTeacher()
    chain = Chain(Query("q", ""), listed(order), teacher)
    with pytest.raises(TeacherFailure):
        asyncio.run(rank_chain(chain, name, shape))
    failed = chain.failed_window(())
    assert failed is not None
    assert len(chain.records) == failed.window_index == 3
    made = QueryRanking("q", (), tuple(chain.records))
    before = replayed(calls_of(made), 60)
    assert before is not None
    places = places_shown(failed.start, failed.end, failed.shown)
    assert [str(order[before[place]]) for place in places] == teacher.shown[-1]


@pytest.mark.parametrize(
    ("name", "asked", "told"),
    [
        ("sliding", Shape(20, top=5), "'sliding' has no use for --top"),
        ("tdpart", Shape(20, 10), "'tdpart' has no use for --stride"),
        ("tournament", Shape(10, top=10), "--top 10 leaves nothing to lose"),
        ("setwise", Shape(1), "--window must be at least 2"),
        ("sliding", Shape(0), "--window must be at least 2"),
        ("sliding", Shape(20, 0), "--stride must be at least 1"),
        ("tournament", Shape(0), "--window must be at least 2"),
    ],
)
def test_sizes_of_no_use_are_refused(name: StrategyName, asked: Shape, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        shape_of(name, asked, Shape(20, 10))


def test_only_other_strategies_change_what_a_run_is() -> None:
    usual = LabelSettings(teacher="scripted:hash", window=8, stride=4)
    assert "top" not in usual.identity()
    assert not usual.identity().keys() & {"shuffle", "input_order"}
    assert usual.identity()["strategy"] == "sliding"
    other = LabelSettings(teacher="scripted:hash", strategy="tdpart", shuffle=3)
    told = {"strategy": "tdpart", "window": 20, "stride": None, "top": 10, "shuffle": 3}
    assert told.items() <= other.identity().items()
    given = LabelSettings(teacher="scripted:hash", input_order="reversed")
    assert given.identity()["input_order"] == "reversed"
    assert other.resolved() == other.resolved().resolved()
    with pytest.raises(ValueError, match="passes"):
        LabelSettings(teacher="scripted:hash", passes=0)
