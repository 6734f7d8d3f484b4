"""Labels by way of a server that fails: those of a server that does not, or none."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from faulty_server import QUICK, Reply, Server, answer, serving

from rankgen.generator.answers.outcomes import TeacherFailure, WindowOutcome
from rankgen.generator.answers.query_outcomes import QueryRanking
from rankgen.generator.engines.server.engine import (
    OpenAIServer,
    ServerSettings,
)
from rankgen.generator.engines.server.retry import RetryPolicy
from rankgen.generator.strategies.ranking import rank_query
from rankgen.generator.teachers.listwise import ListwiseTeacher
from rankgen.generator.teachers.registry import make_prompter
from rankgen.generator.teachers.settings import LabelSettings
from rankgen.manifests.records import Document, Query

pytest.importorskip("openai")


def listwise(
    server: Server, teacher: str, retry: RetryPolicy, timeout_s: float = 600.0, **more: object
) -> ListwiseTeacher:
    settings = LabelSettings.model_validate(
        {"teacher": teacher, "model": "m", "base_url": server.url, **more}
    ).resolved()
    spoken = ServerSettings(base_url=server.url, model="m", request_timeout_s=timeout_s)
    engine = OpenAIServer(spoken, retry)
    return ListwiseTeacher(settings, make_prompter(settings), engine)


def numbered(request: dict[str, Any]) -> int:
    """Returns how many passages the prompt lists."""
    content = str(request["messages"][1]["content"])
    return max(int(x) for x in re.findall(r"\n\[(\d+)\] ", content))


def reversing(n: int) -> str:
    return " > ".join(f"[{i}]" for i in range(n, 0, -1))


def label(
    server: Server,
    lists: Sequence[int],
    teacher: str = "listwise",
    retry: RetryPolicy = QUICK,
    **more: object,
) -> list[QueryRanking | BaseException]:
    """Labels one query for each list length, all at once."""

    async def run() -> list[QueryRanking | BaseException]:
        made = listwise(server, teacher, retry, **more)  # type: ignore[arg-type]  # each is one of its parameters
        chains = [
            rank_query(
                Query(f"q{i}", f"question {i}"),
                [Document(f"{i}-{j}", "", f"text {j} of [3] [{i}]") for j in range(n)],
                made,
                window=20,
                stride=10,
            )
            for i, n in enumerate(lists)
        ]
        try:
            return await asyncio.gather(*chains, return_exceptions=True)
        finally:
            await made.close()

    return asyncio.run(run())


def reversed_windows(n: int, window: int = 20, stride: int = 10) -> tuple[int, ...]:
    out, end = list(range(n)), n
    start = max(end - window, 0)
    while True:
        out[start:end] = out[start:end][::-1]
        if start == 0:
            return tuple(out)
        end, start = end - stride, max(start - stride, 0)


@pytest.mark.parametrize("teacher", ["listwise", "rankzephyr"])
def test_a_server_that_fails_often_gives_the_fault_free_labels(teacher: str) -> None:
    """A quarter of the calls fail: 500 with digits, 429, resets, stalls; none may leak."""

    def behave(request: dict[str, Any], seen: int) -> Reply:
        key = json.dumps(request, sort_keys=True) + str(seen)
        dice = int(hashlib.sha256(key.encode()).hexdigest(), 16) % 12
        faults = (
            Reply(500, '{"error": {"message": "Error code 500: [3] > [2] of 7 workers"}}'),
            Reply(429, '{"error": {"message": "rate limit 20 per 10 s, retry in 1"}}'),
            Reply(body=None),
        )
        if seen <= 3 and dice < 3:
            return faults[dice]
        return answer(reversing(numbered(request)))

    lengths = [100, 99, 21, 35] * 6
    with serving(behave) as server:
        rankings = label(server, lengths, teacher)
    assert [r.order for r in rankings] == [reversed_windows(n) for n in lengths]  # type: ignore[union-attr]  # none failed
    assert all(r.status == "complete" for r in rankings)  # type: ignore[union-attr]  # none failed
    calls = sum(len(r.windows) for r in rankings)  # type: ignore[misc, union-attr]  # none failed
    assert len(server.requests) > 1.1 * calls


def test_each_fault_with_probability_a_tenth_changes_no_label() -> None:
    """500, 429, resets and stalls, each drawn from a seed with probability 0.1 at every call."""
    faults = {
        "500": Reply(500, '{"error": {"message": "Error code 500: [3] > [2] of 7 workers"}}'),
        "429": Reply(429, '{"error": {"message": "rate limit [20] > [10], retry in 1"}}'),
        "reset": Reply(body=None),
        "stall": Reply(body=reversing(20), stall_s=2.0),
    }
    injected: Counter[str] = Counter()

    def ordering(request: dict[str, Any]) -> Reply:
        """Orders by a digest of prompt and id, so that a wrong window shows in the labels."""
        ids = range(1, numbered(request) + 1)
        prompt = json.dumps(request["messages"], sort_keys=True)
        seeded = random.Random(hashlib.sha256(prompt.encode()).digest())
        return answer(" > ".join(f"[{i}]" for i in seeded.sample(ids, len(ids))))

    def failing(request: dict[str, Any], seen: int) -> Reply:
        key = f"20260 {seen} {json.dumps(request, sort_keys=True)}"
        dice = random.Random(hashlib.sha256(key.encode()).digest()).random()
        if dice >= 0.4:
            return ordering(request)
        name = list(faults)[int(dice * 10)]
        injected[name] += 1
        return faults[name]

    lengths = [60, 45, 33, 20] * 6
    with serving(lambda request, seen: ordering(request)) as server:
        expected = label(server, lengths)
    patient = RetryPolicy(attempts=30, base_s=0.002, cap_s=0.01)
    with serving(failing) as server:
        found = label(server, lengths, retry=patient, timeout_s=0.8)
    # Orders and the evidence of every window.
    assert found == expected
    assert all(isinstance(r, QueryRanking) and r.status == "complete" for r in found)
    calls = len(server.requests)
    assert all(0.04 * calls < injected[name] < 0.2 * calls for name in faults), injected


@pytest.mark.parametrize("policy", ["repair", "retry", "quarantine"])
def test_bad_answers_follow_the_policy(policy: str) -> None:
    """Queries 0-3: clean; always prose; always a duplicate; prose once, then clean."""

    def behave(request: dict[str, Any], seen: int) -> Reply:
        content = str(request["messages"][1]["content"])
        query = int(re.findall(r"question (\d+)", content)[0])
        clean = answer(reversing(numbered(request)))
        if query == 1 or (query == 3 and seen == 1):
            return answer("I cannot rank the 20 passages, sorry.")
        if query == 2:
            return answer("[2] > [2] > " + reversing(numbered(request))[: 7 * 12 - 3])
        return clean

    with serving(behave) as server:
        found = label(server, [20, 20, 20, 20], on_malformed=policy)
    clean, prose, repaired, once = found
    assert isinstance(clean, QueryRanking)
    assert clean.status == "complete"
    assert isinstance(prose, TeacherFailure)
    assert prose.outcome is WindowOutcome.MALFORMED
    assert prose.output_text == "I cannot rank the 20 passages, sorry."
    assert [call.usage.prompt for call in prose.calls] == [7] * prose.attempts
    if policy == "quarantine":
        assert isinstance(repaired, TeacherFailure)
        assert repaired.outcome is WindowOutcome.REPAIRED
        assert isinstance(once, TeacherFailure)
        assert prose.attempts == 1
        return
    assert prose.attempts == 3
    assert isinstance(repaired, QueryRanking)
    assert repaired.status == "degraded"
    window = repaired.windows[0].result
    assert window.outcome is WindowOutcome.REPAIRED
    assert window.duplicates == 1
    assert window.missing > 0
    assert window.output_text is not None
    # Every call that was paid for is counted.
    assert repaired.usage.prompt == (7 if policy == "repair" else 21)
    refused = [(call.outcome, call.reason, call.usage.prompt) for call in window.failed]
    reason = "the answer is repaired and the policy is retry"
    assert refused == [(WindowOutcome.REPAIRED, reason, 7)] * (0 if policy == "repair" else 2)
    assert isinstance(once, QueryRanking)
    assert once.status == "complete"
    assert once.usage.prompt == 14
    (call,) = once.windows[0].result.failed
    assert (call.outcome, call.output_text) == (WindowOutcome.MALFORMED, prose.output_text)


@pytest.mark.parametrize("policy", ["repair", "retry", "quarantine"])
def test_cut_and_garbled_answers_follow_the_policy(policy: str) -> None:
    """Queries 0-3: cut twice, then whole; always cut; the body of a 500; bytes that are no text."""

    def behave(request: dict[str, Any], seen: int) -> Reply:
        content = str(request["messages"][1]["content"])
        query = int(re.findall(r"question (\d+)", content)[0])
        if query == 2:
            return answer('{"error": {"code": 500, "message": "3 of 20 failed"}}')
        if query == 3:
            return answer("\ufffd\x00\ud7ff[ ] > [\u00b2] \u2028]")
        if query == 0 and seen == 3:
            return answer(reversing(20))
        return answer(f"[{seen}] > {reversing(20)[: 7 * 9 - 3]} > [1", "length")

    with serving(behave) as server:
        cut, always, http, garbled = label(server, [20] * 4, on_malformed=policy)
    for failure in (http, garbled):
        assert isinstance(failure, TeacherFailure)
        assert failure.outcome is WindowOutcome.MALFORMED
        assert failure.attempts == (1 if policy == "quarantine" else 3)
    if policy == "quarantine":
        for failure in (cut, always):
            assert isinstance(failure, TeacherFailure)
            assert failure.outcome is WindowOutcome.TRUNCATED
        return
    assert isinstance(cut, QueryRanking)
    assert isinstance(always, QueryRanking)
    assert always.windows[0].result.outcome is WindowOutcome.TRUNCATED
    assert always.windows[0].result.missing == 10
    if policy == "repair":
        assert cut.windows[0].result.outcome is WindowOutcome.TRUNCATED
        assert len(server.requests) == 1 + 1 + 3 + 3
    else:
        assert cut.status == "complete"
        assert len(server.requests) == 3 * 4


def test_a_cut_answer_is_truncated_not_ok() -> None:
    with serving(lambda request, seen: answer("[3] > [4] > [1", "length")) as server:
        (ranking,) = label(server, [4])
    assert isinstance(ranking, QueryRanking)
    result = ranking.windows[0].result
    assert (result.outcome, result.missing) == (WindowOutcome.TRUNCATED, 2)
    assert ranking.order == (2, 3, 0, 1)
    assert ranking.status == "degraded"


@pytest.mark.parametrize(
    ("text", "finish", "outcome"),
    [
        ("[3]", "stop", WindowOutcome.MALFORMED),
        ("I cannot rank them, e.g., [2] > [1].", "stop", WindowOutcome.MALFORMED),
        ("Okay. The format is e.g., [2] > [1]. But wait", "length", WindowOutcome.MALFORMED),
        ("[20] is best, then " + reversing(19), "stop", WindowOutcome.MALFORMED),
        ("", "content_filter", WindowOutcome.ERROR),
        (reversing(11), "content_filter", WindowOutcome.ERROR),
        (reversing(20), "tool_calls", WindowOutcome.ERROR),
    ],
)
def test_no_label_is_worse_than_none(text: str, finish: str, outcome: WindowOutcome) -> None:
    with serving(lambda request, seen: answer(text, finish)) as server:
        (failure,) = label(server, [20])
    assert isinstance(failure, TeacherFailure)
    assert failure.outcome is outcome
    if outcome is WindowOutcome.ERROR:
        assert finish in failure.reason
        assert len(server.requests) == 1


def test_the_floor_is_a_setting() -> None:
    with serving(lambda request, seen: answer(reversing(20)[: 7 * 8 - 3])) as server:
        (failure,) = label(server, [20])
        (ranking,) = label(server, [20], min_named=0.4)
    assert isinstance(failure, TeacherFailure)
    assert "names 8 of 20" in failure.reason
    assert isinstance(ranking, QueryRanking)
    assert ranking.order[:9] == (*range(19, 11, -1), 0)


def test_a_filter_fails_one_query_and_not_the_run() -> None:
    def behave(request: dict[str, Any], seen: int) -> Reply:
        if "question 0" in str(request["messages"]):
            return Reply(400, '{"error": {"code": "content_filter", "message": "filtered"}}')
        return answer(reversing(numbered(request)), "end_turn")

    with serving(behave) as server:
        filtered, other = label(server, [5, 5])
    assert isinstance(filtered, TeacherFailure)
    assert "content filter" in filtered.reason
    assert isinstance(other, QueryRanking)
    assert len(server.requests) == 2


def test_an_empty_answer_is_malformed() -> None:
    with serving(lambda request, seen: answer(None)) as server:
        (failure,) = label(server, [5])
    assert isinstance(failure, TeacherFailure)
    assert failure.outcome is WindowOutcome.MALFORMED


def test_tries_that_a_server_broke_off_are_paid_for() -> None:
    def broken(request: dict[str, Any], seen: int) -> Reply:
        return answer("[2]", "error") if seen <= 2 else answer(reversing(5))

    with serving(broken) as server:
        (ranking,) = label(server, [5])
    assert isinstance(ranking, QueryRanking)
    assert (ranking.usage.prompt, ranking.usage.output) == (21, 9)
    with serving(lambda request, seen: answer("[2]", "error")) as server:
        (failure,) = label(server, [5])
    assert isinstance(failure, TeacherFailure)
    assert failure.attempts == QUICK.attempts
    assert failure.usage.prompt == 7 * QUICK.attempts


def test_a_try_that_the_server_fails_keeps_the_answers_before_it() -> None:
    def behave(request: dict[str, Any], seen: int) -> Reply:
        return answer("no", "stop") if seen == 1 else answer("[5] >", "content_filter")

    with serving(behave) as server:
        (failure,) = label(server, [5])
    assert isinstance(failure, TeacherFailure)
    found = [(call.outcome, call.output_text, call.usage.prompt) for call in failure.calls]
    assert found == [(WindowOutcome.MALFORMED, "no", 7), (WindowOutcome.ERROR, "[5] >", 7)]
    assert [call.cut for call in failure.calls] == [0, 0]
