"""The chain of windows: against a plain re-implementation, with evidence that can be replayed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rankgen.generator.answers.outcomes import (
    EngineDead,
    TeacherFailure,
    TokenUsage,
    WindowOutcome,
    WindowResult,
)
from rankgen.generator.strategies.ranking import rank_query
from rankgen.generator.strategies.windows import call_count
from rankgen.generator.teachers.scripted import Script, ScriptedTeacher, parse_script
from rankgen.manifests.errors import UsageError
from rankgen.manifests.records import Document, Query

QUERY = Query("q1", "a question")


def documents(n: int) -> list[Document]:
    return [Document(f"d{i}", "", f"text {i}") for i in range(n)]


def reversed_windows(n: int, window: int, stride: int) -> list[int]:
    """What a teacher that reverses every window leads to, in four plain lines."""
    out, end = list(range(n)), n
    start = max(end - window, 0)
    while True:
        out[start:end] = out[start:end][::-1]
        if start == 0:
            return out
        end, start = end - stride, max(start - stride, 0)


@given(n=st.integers(1, 120), window=st.integers(2, 25), data=st.data())
def test_reversing_every_window(n: int, window: int, data: st.DataObject) -> None:
    stride = data.draw(st.integers(1, window))
    teacher = ScriptedTeacher(Script("reverse"))
    ranking = asyncio.run(rank_query(QUERY, documents(n), teacher, window=window, stride=stride))
    assert list(ranking.order) == reversed_windows(n, window, stride)
    assert len(ranking.windows) == call_count(n, window, stride)
    assert ranking.status == "complete"


@given(n=st.integers(1, 60), passes=st.integers(1, 3))
def test_the_evidence_replays_to_the_order(n: int, passes: int) -> None:
    teacher = ScriptedTeacher(Script("hash"))
    ranking = asyncio.run(
        rank_query(QUERY, documents(n), teacher, window=8, stride=4, passes=passes)
    )
    order = list(range(n))
    for number, record in enumerate(ranking.windows):
        assert record.window_index == number
        span = order[record.start : record.end]
        order[record.start : record.end] = [span[i] for i in record.result.permutation]
    assert tuple(order) == ranking.order
    assert {record.pass_index for record in ranking.windows} == set(range(passes))


def test_one_pass_brings_the_best_to_the_top() -> None:
    teacher = ScriptedTeacher(Script("hash"))
    ranking = asyncio.run(rank_query(QUERY, documents(100), teacher, window=20, stride=10))
    whole = asyncio.run(rank_query(QUERY, documents(100), teacher, window=None, stride=None))
    assert ranking.order[:10] == whole.order[:10]
    assert ranking.order != whole.order


def test_one_passage_needs_no_call() -> None:
    teacher = ScriptedTeacher(Script("reverse", failing=frozenset({"q1"})))
    ranking = asyncio.run(rank_query(QUERY, documents(1), teacher, window=20, stride=10))
    assert (ranking.order, teacher.calls, len(ranking.windows)) == ((0,), 0, 1)


class RepairingTeacher(ScriptedTeacher):
    """Repairs the second window of every query."""

    async def rank_window(self, query: Query, passages: Sequence[Document]) -> WindowResult:
        result = await super().rank_window(query, passages)
        if self.calls != 2:
            return WindowResult(result.permutation, usage=TokenUsage(10, 2))
        return WindowResult(
            result.permutation,
            WindowOutcome.REPAIRED,
            missing=1,
            usage=TokenUsage(30, 4),
            output_text="[1]",
        )


def test_a_repaired_window_degrades_its_query() -> None:
    ranking = asyncio.run(
        rank_query(QUERY, documents(35), RepairingTeacher(Script("hash")), window=20, stride=10)
    )
    assert ranking.status == "degraded"
    assert ranking.usage == TokenUsage(50, 8)
    assert [r.result.outcome for r in ranking.windows] == ["ok", "repaired", "ok"]


def test_a_failed_window_is_no_ranking() -> None:
    for script, error in (("hash,fail=q1", TeacherFailure), ("hash,die=q0+q1", EngineDead)):
        teacher = ScriptedTeacher(parse_script(script))
        with pytest.raises(error):
            asyncio.run(rank_query(QUERY, documents(30), teacher, window=20, stride=10))


class ForgetfulTeacher(ScriptedTeacher):
    """Ranks all but the last passage."""

    async def rank_window(self, query: Query, passages: Sequence[Document]) -> WindowResult:
        return await super().rank_window(query, passages[:-1])


def test_an_order_of_fewer_passages_is_an_error_of_the_teacher() -> None:
    forgetful = ForgetfulTeacher(Script("hash"))
    with pytest.raises(ValueError, match="scripted:hash ranked 19 of 20 passages"):
        asyncio.run(rank_query(QUERY, documents(30), forgetful, window=20, stride=10))


def test_a_result_is_a_permutation_or_nothing() -> None:
    with pytest.raises(ValueError, match="not a permutation"):
        WindowResult((0, 0, 1))
    with pytest.raises(ValueError, match="has no permutation"):
        WindowResult((0, 1), WindowOutcome.ERROR)


@pytest.mark.parametrize("text", ["revers", "hash,latency=x", "hash,speed=3", "hash,fail"])
def test_wrong_scripts_are_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_script(text)
