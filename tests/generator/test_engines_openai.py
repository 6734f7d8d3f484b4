"""The OpenAI-compatible engine against a real HTTP server in this process, with faults."""

from __future__ import annotations

import asyncio
import json
import random
import socket
import threading
import time
from typing import Any

import pytest
from faulty_server import QUICK, Reply, Server, answer, serving

from rankgen.generator.answers.outcomes import TeacherFailure, TokenUsage, WindowOutcome
from rankgen.generator.engines.base import EnginePrompt
from rankgen.generator.engines.server.address import server_address
from rankgen.generator.engines.server.engine import (
    OpenAIServer,
    ServerSettings,
)
from rankgen.generator.engines.server.retry import RetryPolicy, retry_after_s
from rankgen.generator.prompts.profiles import ChatMessage
from rankgen.manifests.errors import EnvironmentProblem, UsageError

pytest.importorskip("openai")

PROMPT = EnginePrompt((ChatMessage("system", "S"), ChatMessage("user", "\n[1] a\n[2] b")), (1, 2))


def ask(server: Server, retry: RetryPolicy = QUICK, **settings: object) -> Any:
    """Returns the generation, or the error, of one request."""

    async def once() -> Any:
        engine = OpenAIServer(
            ServerSettings(base_url=server.url, model="m", **settings),  # type: ignore[arg-type]  # each is one of its fields
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
    assert (generation.text, generation.finish_reason) == ("[2] > [1]", "length")
    assert generation.usage.prompt == 7
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
    assert generation.text == "[2] > [1]"
    path, request = server.requests[0]
    assert (path, request["prompt"]) == ("/v1/completions", [1, 2])
    assert "min_tokens" not in request


@pytest.mark.parametrize(
    "fault",
    [
        Reply(500, '{"error": {"message": "[2] > [1] Error code 500: 3 retries on 2 of 7"}}'),
        Reply(503, "[2] > [1]", kind="text/plain"),
        Reply(body=None),
        Reply(body="[2] > [1]", kind="text/plain"),
        Reply(body="[2] > [1]"),
        Reply(body='{"error": {"message": "[2] > [1]"}}'),
        Reply(body='{"choices": []}'),
        Reply(body='"[2] > [1]"'),
        Reply(body='{"choices": [{"index": 0, "finish_reason": "stop"}]}'),
        Reply(body='{"choices": [{"index": 0, "message": {"content": ["[2] > [1]"]}}]}'),
        Reply(body='{"choices": [{"index": 0, "message": {"content": "[2] > [1]"}}]}'),
        answer("[2] > [1]", "abort"),
        Reply(body="", kind="text/html"),
    ],
    ids=lambda reply: f"{reply.status}-{(reply.body or 'reset')[:24]}",
)
def test_a_fault_is_tried_again_and_never_an_answer(fault: Reply) -> None:
    def behave(request: dict[str, object], seen: int) -> Reply:
        return fault if seen <= 3 else answer("[1] > [2]")

    with serving(behave) as server:
        assert ask(server).text == "[1] > [2]"
    assert len(server.requests) == 4
    with serving(lambda request, seen: fault) as server, pytest.raises(TeacherFailure) as caught:
        ask(server)
    assert caught.value.attempts == len(server.requests) == 8
    assert caught.value.outcome is WindowOutcome.ERROR


def test_content_in_parts_is_read_without_its_thoughts() -> None:
    """As Mistral's reasoning models answer."""
    thought = {"type": "thinking", "thinking": [{"type": "text", "text": "[1] > [2]?"}]}
    parts = [thought, {"type": "text", "text": "[2] > "}, {"type": "text", "text": "[1]"}]

    def behave(request: dict[str, object], seen: int) -> Reply:
        said = json.loads(answer("").body or "")
        picture = [*parts, {"type": "image_url"}]
        said["choices"][0]["message"]["content"] = picture if seen == 1 else parts
        return Reply(body=json.dumps(said))

    with serving(behave) as server:
        assert ask(server).text == "[2] > [1]"  # type: ignore[attr-defined]
        assert len(server.requests) == 2


def test_a_refusal_of_the_model_is_no_answer() -> None:
    message = {"role": "assistant", "content": None, "refusal": "I will not"}
    choices = [{"index": 0, "finish_reason": "stop", "message": message}]
    usage = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}
    body = json.dumps({"choices": choices, "usage": usage})
    with (
        serving(lambda request, seen: Reply(body=body)) as server,
        pytest.raises(TeacherFailure, match="I will not") as caught,
    ):
        ask(server)
    assert len(server.requests) == 1
    assert (caught.value.output_text, caught.value.usage) == ("I will not", TokenUsage(9, 4))


def test_a_stalled_call_is_given_up_and_repeated() -> None:
    def behave(request: dict[str, object], seen: int) -> Reply:
        return Reply(200, "late", stall_s=1.5) if seen == 1 else answer("[1] > [2]")

    with serving(behave) as server:
        began = time.monotonic()
        assert ask(server, request_timeout_s=0.3).text == "[1] > [2]"
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


def test_without_credit_no_query_is_blamed() -> None:
    """Hosted servers answer so in the middle of a run, once its account is empty."""
    body = '{"error": {"message": "Insufficient Balance"}}'
    with serving(lambda request, seen: answer("[1]") if seen == 1 else Reply(402, body)) as server:
        asked = [ask(server)]
        with pytest.raises(EnvironmentProblem, match=r"402, payment required: .*Insufficient"):
            asked.append(ask(server))
    assert len(asked) == 1


def test_a_flagged_prompt_fails_alone_and_is_no_wrong_key() -> None:
    body = '{"error": {"message": "openai/gpt-4o requires moderation. Your input was flagged"}}'
    with serving(lambda r, s: Reply(403, body)) as server, pytest.raises(TeacherFailure) as caught:
        ask(server)
    assert "by its moderation" in caught.value.reason


def test_a_port_that_speaks_no_http_is_no_server() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:

        def greet() -> None:
            for _ in range(3):
                connection, _ = other.accept()
                connection.sendall(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")
                connection.recv(1000)
                connection.close()

        threading.Thread(target=greet, daemon=True).start()
        url = f"http://127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(EnvironmentProblem, match="no server answers at"):
            ask(Server(url=url))


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
    assert server_address(given).url == expected


def test_a_password_in_an_address_is_refused_and_not_shown() -> None:
    with pytest.raises(UsageError, match="user name or a password") as caught:
        server_address("http://user:secret@host/v1")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("given", ["localhost:8000", "http://", "http://[", "http://h:port"])
def test_an_address_without_http_is_refused(given: str) -> None:
    with pytest.raises(UsageError, match="not a server URL"):
        server_address(given)


def test_keys_in_an_address_are_sent_and_never_shown() -> None:
    def behave(request: dict[str, object], seen: int) -> Reply:
        return Reply(500, "{}") if seen > 1 else answer("[1]")

    async def asked(address: str) -> str:
        engine = OpenAIServer(ServerSettings(base_url=address, model="m"), QUICK)
        assert (await engine.generate(PROMPT, 5)).text == "[1]"
        with pytest.raises(TeacherFailure) as caught:
            await engine.generate(PROMPT, 5)
        await engine.close()
        return json.dumps(dict(engine.facts())) + str(caught.value)

    with serving(behave) as server:
        told = asyncio.run(asked(f"{server.url}/gateway/secret2/v1?api-key=secret3"))
        assert server.requests[0][0] == "/gateway/secret2/v1/chat/completions?api-key=secret3"
        assert "secret" not in told
        assert server.url in told


def test_too_many_requests_use_up_no_attempt() -> None:
    """Twenty chains at a server that takes two at a time and refuses the others."""
    under_way: list[int] = []
    lock = threading.Lock()

    def behave(request: dict[str, object], seen: int) -> Reply:
        with lock:
            busy = len(under_way) >= 2
            under_way.append(seen)
        time.sleep(0.02)
        with lock:
            under_way.remove(seen)
        return Reply(429, "{}", (("Retry-After", "0.05"),)) if busy else answer("[1]")

    async def all_at_once(engine: OpenAIServer) -> list[object]:
        asked = (engine.generate(PROMPT, 5) for _ in range(20))
        return await asyncio.gather(*asked, return_exceptions=True)

    with serving(behave) as server:
        engine = OpenAIServer(
            ServerSettings(base_url=server.url, model="m"), RetryPolicy(attempts=1)
        )
        answers = asyncio.run(all_at_once(engine))
    failures = [answer for answer in answers if isinstance(answer, Exception)]
    assert failures == []


def test_a_spent_quota_stops_the_run() -> None:
    body = '{"error": {"message": "you exceeded your quota", "code": "insufficient_quota"}}'
    with (
        serving(lambda request, seen: Reply(429, body)) as server,
        pytest.raises(EnvironmentProblem, match="the quota is used up"),
    ):
        ask(server)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("header", "told"), [("86400", "24.0 hours"), ("999999999", "11,574 days")]
)
def test_a_pause_until_tomorrow_is_told_and_not_sat_through(header: str, told: str) -> None:
    said = Reply(429, '{"error": {"message": "daily limit"}}', (("Retry-After", header),))
    with (
        serving(lambda request, seen: said) as server,
        pytest.raises(EnvironmentProblem, match=f"wants a pause of {told}") as caught,
    ):
        ask(server)
    assert "resume" in str(caught.value.hint)
    assert len(server.requests) == 1


def test_a_server_that_only_refuses_stops_the_run() -> None:
    with (
        serving(lambda request, seen: Reply(429, "{}")) as server,
        pytest.raises(EnvironmentProblem, match="has not answered any"),
    ):
        ask(server, RetryPolicy(attempts=2, base_s=0.01, cap_s=0.02, limited_s=0.5))
    assert len(server.requests) > 2
