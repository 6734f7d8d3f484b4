"""The OpenAI-compatible engine against a real HTTP server in this process, with faults."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from rankgen.generator.engines.base import EnginePrompt
from rankgen.generator.engines.openai_server import (
    OpenAIServer,
    ServerSettings,
    normal_base_url,
)
from rankgen.generator.engines.retry import RetryPolicy, retry_after_s
from rankgen.generator.label_settings import LabelSettings
from rankgen.generator.outcomes import QueryRanking, TeacherFailure, WindowOutcome
from rankgen.generator.prompts.profiles import ChatMessage
from rankgen.generator.strategies.sliding import rank_query
from rankgen.generator.teachers.listwise import ListwiseTeacher
from rankgen.generator.teachers.registry import make_prompter
from rankgen.manifests.errors import EnvironmentProblem, UsageError
from rankgen.manifests.records import Document, Query

pytest.importorskip("openai")

PROMPT = EnginePrompt((ChatMessage("system", "S"), ChatMessage("user", "\n[1] a\n[2] b")), (1, 2))
QUICK = RetryPolicy(attempts=8, base_s=0.002, cap_s=0.01)


@dataclass(frozen=True)
class Reply:
    """One reply; a body that is None resets the connection, `stall_s` delays it."""

    status: int = 200
    body: str | None = ""
    headers: tuple[tuple[str, str], ...] = ()
    stall_s: float = 0.0
    kind: str = "application/json"


Behaviour = Callable[[dict[str, object], int], Reply]


def answer(text: str | None, finish: str = "stop") -> Reply:
    choice = {
        "index": 0,
        "finish_reason": finish,
        "text": text,
        "message": {"role": "assistant", "content": text},
    }
    usage = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
    body = {"id": "x", "object": "chat.completion", "created": 0, "model": "m"}
    return Reply(body=json.dumps(body | {"choices": [choice], "usage": usage}))


@dataclass
class Server:
    """What the test can see of the server."""

    url: str = ""
    requests: list[tuple[str, dict[str, object]]] = field(default_factory=list)
    tries: Counter[str] = field(default_factory=Counter)


@contextmanager
def serving(behave: Behaviour, models: Reply | None = None) -> Iterator[Server]:
    state, lock = Server(), threading.Lock()
    listed = Reply(body='{"data": [{"id": "m", "owned_by": "vllm"}]}')

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *arguments: object) -> None:
            pass

        def _reply(self, reply: Reply) -> None:
            time.sleep(reply.stall_s)
            if reply.body is None:
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            data = reply.body.encode()
            self.send_response(reply.status)
            for name, value in (("Content-Type", reply.kind), *reply.headers):
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def do_GET(self) -> None:
            self._reply(models or listed)

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["Content-Length"]))
            with lock:
                state.requests.append((self.path, json.loads(raw)))
                key = hashlib.sha256(raw).hexdigest()
                state.tries[key] += 1
                seen = state.tries[key]
            self._reply(behave(json.loads(raw), seen))

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def ask(server: Server, retry: RetryPolicy = QUICK, **settings: object) -> object:
    """Returns the generation, or the error, of one request."""

    async def once() -> object:
        engine = OpenAIServer(
            ServerSettings(base_url=server.url, model="m", **settings),  # type: ignore[arg-type]
            retry,
        )
        try:
            return await engine.generate(PROMPT, 9)
        finally:
            await engine.close()

    return asyncio.run(once())


def test_chat_sends_messages_and_reads_the_answer() -> None:
    with serving(lambda request, seen: answer("[2] > [1]", "length")) as server:
        generation = ask(server, force_length=True, add_special_tokens=True)
    assert (generation.text, generation.finish_reason) == ("[2] > [1]", "length")  # type: ignore[attr-defined]
    assert generation.usage.prompt == 7  # type: ignore[attr-defined]
    path, request = server.requests[0]
    assert path == "/v1/chat/completions"
    assert request["messages"] == [
        {"role": "system", "content": "S"},
        {"role": "user", "content": "\n[1] a\n[2] b"},
    ]
    assert (request["temperature"], request["max_tokens"], request["min_tokens"]) == (0.0, 9, 9)
    assert request["add_special_tokens"] is True


def test_completions_send_token_ids() -> None:
    with serving(lambda request, seen: answer("[2] > [1]")) as server:
        generation = ask(server, api="completions")
    assert generation.text == "[2] > [1]"  # type: ignore[attr-defined]
    path, request = server.requests[0]
    assert (path, request["prompt"]) == ("/v1/completions", [1, 2])
    assert "min_tokens" not in request


@pytest.mark.parametrize(
    "fault",
    [
        Reply(500, '{"error": {"message": "[2] > [1] Error code 500: 3 retries on 2 of 7"}}'),
        Reply(503, "[2] > [1]", kind="text/plain"),
        Reply(429, "{}"),
        Reply(body=None),
        Reply(body="[2] > [1]", kind="text/plain"),
        Reply(body="[2] > [1]"),
        Reply(body='{"error": {"message": "[2] > [1]"}}'),
        Reply(body='{"choices": []}'),
        Reply(body='"[2] > [1]"'),
        Reply(body='{"choices": [{"index": 0, "finish_reason": "stop"}]}'),
        Reply(body='{"choices": [{"index": 0, "message": {"content": ["[2] > [1]"]}}]}'),
        Reply(body="", kind="text/html"),
    ],
    ids=lambda reply: f"{reply.status}-{(reply.body or 'reset')[:24]}",
)
def test_a_fault_is_tried_again_and_never_an_answer(fault: Reply) -> None:
    def behave(request: dict[str, object], seen: int) -> Reply:
        return fault if seen <= 3 else answer("[1] > [2]")

    with serving(behave) as server:
        assert ask(server).text == "[1] > [2]"  # type: ignore[attr-defined]
    assert len(server.requests) == 4
    with serving(lambda request, seen: fault) as server, pytest.raises(TeacherFailure) as caught:
        ask(server)
    assert caught.value.attempts == len(server.requests) == 8
    assert caught.value.outcome is WindowOutcome.ERROR


def test_a_stalled_call_is_given_up_and_repeated() -> None:
    def behave(request: dict[str, object], seen: int) -> Reply:
        return Reply(200, "late", stall_s=1.5) if seen == 1 else answer("[1] > [2]")

    with serving(behave) as server:
        began = time.monotonic()
        assert ask(server, timeout_s=0.3).text == "[1] > [2]"  # type: ignore[attr-defined]
    assert time.monotonic() - began < 1.4 + 1.5


def test_retry_after_is_waited_for() -> None:
    def behave(request: dict[str, object], seen: int) -> Reply:
        return Reply(429, "{}", (("Retry-After", "1"),)) if seen == 1 else answer("[1]")

    with serving(behave) as server:
        began = time.monotonic()
        ask(server, RetryPolicy(base_s=0.001, cap_s=5))
    assert time.monotonic() - began >= 1


def test_waits_double_up_to_the_cap() -> None:
    policy = RetryPolicy(base_s=1, cap_s=10, random=random.Random(0))
    for attempt, longest in ((1, 1), (2, 2), (3, 4), (4, 8), (5, 10), (9, 10)):
        assert longest / 2 <= policy.wait_s(attempt, None) <= longest
    assert policy.wait_s(1, 7.0) == 7.0
    assert policy.wait_s(1, 1e9) == 10
    assert retry_after_s("2.5") == 2.5
    assert retry_after_s("Wed, 21 Oct 2015 07:28:00 GMT") is None
    assert [retry_after_s(x) for x in (None, "soon", "nan", "-1", "inf")] == [None] * 5


@pytest.mark.parametrize(
    ("status", "error"),
    [(400, UsageError), (404, UsageError), (401, EnvironmentProblem), (403, EnvironmentProblem)],
)
def test_a_refusal_is_not_tried_again(status: int, error: type[Exception]) -> None:
    body = '{"error": {"message": "no model m"}}'
    with (
        serving(lambda request, seen: Reply(status, body)) as server,
        pytest.raises(error, match="no model m") as caught,
    ):
        ask(server)
    assert len(server.requests) == 1
    assert "\n" not in str(caught.value)


def test_a_prompt_that_is_too_long_fails_alone() -> None:
    body = '{"error": {"message": "maximum context length is 10 tokens"}}'
    with serving(lambda request, seen: Reply(400, body)) as server, pytest.raises(TeacherFailure):
        ask(server)


def test_no_server_is_an_environment_problem() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(EnvironmentProblem, match=url):
        ask(Server(url=url))


def test_a_wrong_key_is_seen_at_the_start() -> None:
    with (
        serving(lambda r, s: answer("x"), models=Reply(401, "{}")) as server,
        pytest.raises(EnvironmentProblem, match="key"),
    ):
        ask(server)
    assert not server.requests


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("http://h:1", "http://h:1/v1"),
        ("http://h:1/", "http://h:1/v1"),
        ("http://h:1/v1", "http://h:1/v1"),
        ("https://h/v1/", "https://h/v1"),
        ("https://h/openai/v2", "https://h/openai/v2"),
    ],
)
def test_addresses(given: str, expected: str) -> None:
    assert normal_base_url(given) == expected


def test_an_address_without_http_is_refused() -> None:
    with pytest.raises(UsageError, match="localhost"):
        normal_base_url("localhost:8000")


def listwise(
    server: Server, teacher: str, retry: RetryPolicy, timeout_s: float = 600.0, **more: object
) -> ListwiseTeacher:
    settings = LabelSettings.model_validate(
        {"teacher": teacher, "model": "m", "base_url": server.url, **more}
    ).resolved()
    spoken = ServerSettings(base_url=server.url, model="m", timeout_s=timeout_s)
    engine = OpenAIServer(spoken, retry)
    return ListwiseTeacher(settings, make_prompter(settings), engine)


def numbered(request: dict[str, object]) -> int:
    """Returns how many passages the prompt lists."""
    content = str(request["messages"][1]["content"])  # type: ignore[index]
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
        made = listwise(server, teacher, retry, **more)  # type: ignore[arg-type]
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

    def behave(request: dict[str, object], seen: int) -> Reply:
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
    assert [r.order for r in rankings] == [reversed_windows(n) for n in lengths]  # type: ignore[union-attr]
    assert all(r.status == "complete" for r in rankings)  # type: ignore[union-attr]
    calls = sum(len(r.windows) for r in rankings)  # type: ignore[union-attr]
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

    def ordering(request: dict[str, object]) -> Reply:
        """Orders by a digest of prompt and id, so that a wrong window shows in the labels."""
        ids = range(1, numbered(request) + 1)
        prompt = json.dumps(request["messages"], sort_keys=True)
        seeded = random.Random(hashlib.sha256(prompt.encode()).digest())
        return answer(" > ".join(f"[{i}]" for i in seeded.sample(ids, len(ids))))

    def failing(request: dict[str, object], seen: int) -> Reply:
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

    def behave(request: dict[str, object], seen: int) -> Reply:
        content = str(request["messages"][1]["content"])  # type: ignore[index]
        query = int(re.findall(r"question (\d+)", content)[0])
        clean = answer(reversing(numbered(request)))
        if query == 1 or (query == 3 and seen == 1):
            return answer("I cannot rank the 20 passages, sorry.")
        if query == 2:
            return answer("[2] > [2] > " + reversing(numbered(request))[: 6 * 5])
        return clean

    with serving(behave) as server:
        found = label(server, [20, 20, 20, 20], on_malformed=policy)
    clean, prose, repaired, once = found
    assert isinstance(clean, QueryRanking)
    assert clean.status == "complete"
    assert isinstance(prose, TeacherFailure)
    assert prose.outcome is WindowOutcome.MALFORMED
    assert prose.output_text == "I cannot rank the 20 passages, sorry."
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
    assert window.usage.prompt == (7 if policy == "repair" else 21)
    assert isinstance(once, QueryRanking)
    assert once.status == "complete"
    assert once.windows[0].result.usage.prompt == 14


@pytest.mark.parametrize("policy", ["repair", "retry", "quarantine"])
def test_cut_and_garbled_answers_follow_the_policy(policy: str) -> None:
    """Queries 0-3: cut twice, then whole; always cut; the body of a 500; bytes that are no text."""

    def behave(request: dict[str, object], seen: int) -> Reply:
        content = str(request["messages"][1]["content"])  # type: ignore[index]
        query = int(re.findall(r"question (\d+)", content)[0])
        if query == 2:
            return answer('{"error": {"code": 500, "message": "3 of 20 failed"}}')
        if query == 3:
            return answer("\ufffd\x00\ud7ff[ ] > [\u00b2] \u2028]")
        if query == 0 and seen == 3:
            return answer(reversing(20))
        return answer(f"[{seen}] > [7] > [1", "length")

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
    assert always.windows[0].result.missing == 18
    if policy == "repair":
        assert cut.windows[0].result.outcome is WindowOutcome.TRUNCATED
        assert len(server.requests) == 1 + 1 + 3 + 3
    else:
        assert cut.status == "complete"
        assert len(server.requests) == 3 * 4


def test_a_cut_answer_is_truncated_not_ok() -> None:
    with serving(lambda request, seen: answer("[3] > [7] > [1", "length")) as server:
        (ranking,) = label(server, [20])
    assert isinstance(ranking, QueryRanking)
    result = ranking.windows[0].result
    assert (result.outcome, result.missing) == (WindowOutcome.TRUNCATED, 18)
    assert ranking.order[:3] == (2, 6, 0)
    assert ranking.status == "degraded"


def test_an_empty_answer_is_malformed() -> None:
    with serving(lambda request, seen: answer(None)) as server:
        (failure,) = label(server, [5])
    assert isinstance(failure, TeacherFailure)
    assert failure.outcome is WindowOutcome.MALFORMED
