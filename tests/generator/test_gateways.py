"""What hosted servers do otherwise than OpenAI's: it costs no label and no secret."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from faulty_server import QUICK, Reply, Server, answer, serving

from rankgen.generator.answers.outcomes import TeacherFailure, TokenUsage
from rankgen.generator.engines.base import EnginePrompt
from rankgen.generator.engines.cost.prices import Prices
from rankgen.generator.engines.cost.purse import CostCap, Purse
from rankgen.generator.engines.cost.till import Till
from rankgen.generator.engines.server.address import KEY_VARIABLE, server_address, server_key
from rankgen.generator.engines.server.engine import OpenAIServer, ServerSettings
from rankgen.generator.engines.server.notes import server_notes
from rankgen.generator.engines.server.retry import RetryPolicy
from rankgen.generator.prompts.profiles import ChatMessage
from rankgen.manifests.errors import EnvironmentProblem, UsageError

pytest.importorskip("openai")

PROMPT = EnginePrompt((ChatMessage("user", "\n[1] a\n[2] b"),), (1, 2))
ONE_TRY = RetryPolicy(attempts=1)


def ask(
    server: Server, retry: RetryPolicy = QUICK, prompt: EnginePrompt = PROMPT
) -> tuple[Any, dict[str, str]]:
    """Returns the answer to one request, and what the engine then says of the server."""

    async def once() -> tuple[Any, dict[str, str]]:
        engine = OpenAIServer(ServerSettings(base_url=server.url, model="m"), retry)
        try:
            return await engine.generate(prompt, 9), dict(engine.facts())
        finally:
            await engine.close()

    return asyncio.run(once())


def counting(**usage: object) -> Reply:
    body = json.loads(answer("[2] > [1]").body or "")
    return Reply(body=json.dumps(body | {"usage": usage}))


@pytest.mark.parametrize(
    ("usage", "found"),
    [
        # xAI and Gemini leave thoughts, which they bill, out of the completion's tokens.
        (
            {"prompt_tokens": 32, "completion_tokens": 9, "total_tokens": 135},
            TokenUsage(32, 103),
        ),
        # OpenAI counts them there.
        (
            {
                "prompt_tokens": 32,
                "completion_tokens": 103,
                "total_tokens": 135,
                "completion_tokens_details": {"reasoning_tokens": 94},
            },
            TokenUsage(32, 103),
        ),
        ({"prompt_tokens": 32, "completion_tokens": 9}, TokenUsage(32, 9)),
        ({"completion_tokens": 9, "total_tokens": 41}, TokenUsage(0, 9)),
    ],
)
def test_thoughts_are_counted_wherever_they_are_told(
    usage: dict[str, object], found: TokenUsage
) -> None:
    with serving(lambda request, seen: counting(**usage)) as server:
        assert ask(server)[0].usage == found


def test_a_call_that_nobody_waited_for_counts_against_the_cap() -> None:
    """The server ends it all the same; a call that it refused costs nothing."""
    till = Till(cap=1.0, spent=0.0)
    purse = Purse(CostCap(Prices(prompt=1.0, output=1.0), till))

    async def once(url: str) -> None:
        spoken = ServerSettings(base_url=url, model="m", request_timeout_s=0.1)
        engine = OpenAIServer(spoken, ONE_TRY, purse=purse)
        with pytest.raises(TeacherFailure):
            await engine.generate(PROMPT, 9)
        await engine.close()

    for reply, is_counted in ((Reply(503, "busy"), False), (Reply(stall_s=0.4), True)):
        with serving(lambda request, seen, reply=reply: reply) as server:  # type: ignore[misc]  # a default binds it
            asyncio.run(once(server.url))
        assert (till.spent() > 0) == is_counted


@pytest.mark.parametrize("finish", ["insufficient_system_resource", "ERROR"])
def test_an_answer_that_the_server_broke_off_is_asked_again(finish: str) -> None:
    def behave(request: dict[str, object], seen: int) -> Reply:
        return answer("[2] >", finish) if seen < 3 else answer("[2] > [1]")

    with serving(behave) as server:
        assert ask(server)[0].text == "[2] > [1]"
        assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (Reply(body='{"error": {"message": "Provider is down", "code": 502}}'), "Provider is down"),
        (Reply(body='{"error": "no such route"}'), "no such route"),
        (Reply(body='data: {"choices": []}\n\n', kind="text/event-stream"), "no JSON"),
    ],
)
def test_an_error_with_status_200_is_told(reply: Reply, told: str) -> None:
    with serving(lambda request, seen: reply) as server, pytest.raises(TeacherFailure, match=told):
        ask(server, ONE_TRY)


def test_fields_that_xai_refuses_by_its_own_names_are_left_out() -> None:
    def behave(request: dict[str, object], seen: int) -> Reply:
        for field, name in (
            ("presence_penalty", "presencePenalty"),
            ("frequency_penalty", "frequencyPenalty"),
        ):
            if field in request:
                said = f"Model grok-4 does not support parameter {name}."
                return Reply(400, json.dumps({"code": "invalid argument", "error": said}))
        return answer("[2] > [1]")

    with serving(behave) as server:
        found, facts = ask(server, ONE_TRY)
    assert found.text == "[2] > [1]"
    assert facts["not_sent"] == "presence_penalty, frequency_penalty"


def test_a_key_from_a_file_may_end_with_a_line_break(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, " sk-secret\r\n")
    with serving(lambda request, seen: answer("[2] > [1]"), key="sk-secret") as server:
        assert ask(server)[0].text == "[2] > [1]"
    with (
        serving(lambda request, seen: answer("x"), key="another") as server,
        pytest.raises(EnvironmentProblem, match="refuses the key") as refused,
    ):
        ask(server)
    assert "sk-secret" not in str(refused.value)


@pytest.mark.parametrize("key", ["sk-one\nsk-two", "\u201csk-one\u201d"])
def test_a_key_that_no_request_can_hold_is_refused_and_not_shown(
    key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY_VARIABLE, key)
    with (
        serving(lambda request, seen: answer("[2] > [1]")) as server,
        pytest.raises(EnvironmentProblem, match="characters that no key has") as refused,
    ):
        ask(server)
    assert "sk-one" not in f"{refused.value} {refused.value.hint}"


def test_without_a_key_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, " \n")
    assert server_key() is None


@pytest.mark.parametrize("end", ["/v1/chat/completions", "/v1/completions/", "/openai/v1/models"])
def test_the_address_of_a_request_is_no_server(end: str) -> None:
    with pytest.raises(UsageError, match="which rankgen adds itself") as refused:
        server_address(f"http://host:8000{end}")
    assert "--base-url http://host:8000/v1" in refused.value.hint


def test_a_server_that_cuts_prompts_is_told_of() -> None:
    """Ollama reads as much of a prompt as its context holds, and answers all the same."""
    words = "seven old bridges cross the river " * 40
    long = EnginePrompt((ChatMessage("user", words),), tuple(range(320)))
    for read, is_told in ((100, True), (280, False), (0, False)):
        with serving(
            lambda request, seen, read=read: counting(prompt_tokens=read)  # type: ignore[misc]  # a default binds it
        ) as server:
            facts = ask(server, prompt=long)[1]
        notes = server_notes([{**facts}])
        assert ["100 tokens of about 320" in note for note in notes] == [True] * is_told
