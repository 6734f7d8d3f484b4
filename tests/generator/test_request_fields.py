"""What a server does not understand is learnt from its refusal, once, and costs no attempt."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from faulty_server import Reply, Server, answer, serving

from rankgen.generator.answers.outcomes import TeacherFailure
from rankgen.generator.engines.base import EnginePrompt
from rankgen.generator.engines.server.engine import OpenAIServer, ServerSettings
from rankgen.generator.engines.server.notes import server_notes
from rankgen.generator.engines.server.request_fields import RequestFields
from rankgen.generator.engines.server.retry import RetryPolicy
from rankgen.generator.prompts.profiles import ChatMessage
from rankgen.manifests.errors import UsageError

pytest.importorskip("openai")

PROMPT = EnginePrompt((ChatMessage("user", "\n[1] a\n[2] b"),), (1, 2))
NEUTRAL = {"repetition_penalty": 1.0, "presence_penalty": 0.0, "frequency_penalty": 0.0}
ONE_TRY = RetryPolicy(attempts=1)


def refusal(message: str, parameter: str | None = None, status: int = 400) -> Reply:
    error = {"message": message, "type": "invalid_request_error", "param": parameter}
    return Reply(status, json.dumps({"error": error}))


def reasoning(request: dict[str, object], seen: int) -> Reply:
    """Refuses as OpenAI's reasoning models do, one field at a time."""
    if "max_tokens" in request:
        return refusal(
            "Unsupported parameter: 'max_tokens' is not supported with this model. "
            "Use 'max_completion_tokens' instead.",
            "max_tokens",
        )
    if "repetition_penalty" in request:
        return refusal("Unrecognized request argument supplied: repetition_penalty")
    if request.get("temperature") == 0:
        return refusal(
            "Unsupported value: 'temperature' does not support 0 with this model. Only the "
            "default (1) value is supported.",
            "temperature",
        )
    return answer("[2] > [1]")


def ask(server: Server, times: int = 1, api: str = "chat") -> tuple[list[object], dict[str, str]]:
    """Asks several times at once, with one attempt each; returns answers or errors, and facts."""

    async def together() -> tuple[list[object], dict[str, str]]:
        spoken = ServerSettings(base_url=server.url, model="m", api=api)  # type: ignore[arg-type]  # one of its names
        engine = OpenAIServer(spoken, ONE_TRY)
        try:
            asked = (engine.generate(PROMPT, 9) for _ in range(times))
            answers = await asyncio.gather(*asked, return_exceptions=True)
            return list(answers), dict(engine.facts())
        finally:
            await engine.close()

    return asyncio.run(together())


def texts(answers: list[Any]) -> list[str]:
    return [answer.text for answer in answers]


@pytest.mark.parametrize("api", ["chat", "completions"])
def test_greedy_means_without_penalties(api: str) -> None:
    with serving(lambda request, seen: answer("[2] > [1]")) as server:
        answers, facts = ask(server, api=api)
    assert texts(answers) == ["[2] > [1]"]
    ((_, request),) = server.requests
    assert request | NEUTRAL == request
    assert (request["temperature"], request["max_tokens"], request["seed"]) == (0.0, 9, 0)
    assert not {"not_sent", "answer_limit"} & facts.keys()


def test_what_a_reasoning_model_refuses_is_learnt_by_all_chains_at_once() -> None:
    with serving(reasoning) as server:
        answers, facts = ask(server, times=20)
        assert texts(answers) == ["[2] > [1]"] * 20
        before = len(server.requests)
        assert before > 20
    last = server.requests[-1][1]
    assert last["max_completion_tokens"] == 9
    assert not {"max_tokens", "repetition_penalty", "temperature"} & last.keys()
    assert (last["presence_penalty"], last["frequency_penalty"]) == (0.0, 0.0)
    assert facts["answer_limit"] == "max_completion_tokens"
    assert facts["not_sent"] == "repetition_penalty, temperature"
    assert any("not greedy" in note for note in server_notes([{**facts}]))


def test_it_is_learnt_once_per_server() -> None:
    async def twice(server: Server) -> None:
        engine = OpenAIServer(ServerSettings(base_url=server.url, model="m"), ONE_TRY)
        # The look at the server before the first window has learnt it already.
        assert not engine.wants_merged_system(PROMPT.messages)
        server.requests.clear()
        for _ in range(3):
            await engine.generate(PROMPT, 9)
        await engine.close()

    with serving(reasoning) as server:
        asyncio.run(twice(server))
        assert len(server.requests) == 3


def test_the_other_way_round_it_is_learnt_too() -> None:
    """Behind one address the model that wants the new name gives way to one that knows the old."""
    wanted = ["max_completion_tokens"] * 2 + ["max_tokens"] * 9

    def behave(request: dict[str, object], seen: int) -> Reply:
        known = wanted.pop(0)
        wrong = ({"max_tokens", "max_completion_tokens"} - {known}).pop()
        return refusal(f"unknown field {wrong}", wrong) if wrong in request else answer("[1]")

    async def twice(server: Server) -> list[str]:
        engine = OpenAIServer(ServerSettings(base_url=server.url, model="m"), ONE_TRY)
        found = [(await engine.generate(PROMPT, 9)).text for _ in range(2)]
        await engine.close()
        return found

    with serving(behave) as server:
        assert asyncio.run(twice(server)) == ["[1]", "[1]"]
    names = {"max_tokens", "max_completion_tokens"}
    limits = ["".join(names & request.keys()) for _, request in server.requests]
    assert limits == ["max_tokens", *["max_completion_tokens"] * 2, "max_tokens"]


def test_a_server_that_refuses_both_names_is_not_asked_for_ever() -> None:
    def behave(request: dict[str, object], seen: int) -> Reply:
        return refusal("unsupported: max_tokens, max_completion_tokens")

    with serving(behave) as server:
        (error,), _ = ask(server)
    assert isinstance(error, UsageError)
    assert len(server.requests) < 10


@pytest.mark.parametrize(
    ("status", "body", "gone"),
    [
        # FastAPI's and pydantic's refusals, of Mistral's and others' servers.
        (
            422,
            {
                "detail": [
                    {
                        "type": "extra_forbidden",
                        "loc": ["body", "repetition_penalty"],
                        "msg": "Extra inputs are not permitted",
                        "input": 1.0,
                    }
                ]
            },
            {"repetition_penalty"},
        ),
        (400, {"error": {"message": "Unknown parameter: 'seed'.", "param": "seed"}}, {"seed"}),
        (
            400,
            {"error": {"message": "presence_penalty and frequency_penalty are not supported"}},
            {"presence_penalty", "frequency_penalty"},
        ),
        # None of these is about a field of ours.
        (
            400,
            {
                "error": {
                    "message": "'max_tokens' or 'max_completion_tokens' is too large: 5000. This "
                    "model's maximum context length is 4096 tokens"
                }
            },
            set(),
        ),
        (400, {"error": {"message": "Unsupported role: at this temperature no seed"}}, set()),
        (422, {"detail": [{"msg": "unknown", "input": {"prompt": "seed", "seed": "seed"}}]}, set()),
        (500, {"error": {"message": "Unknown parameter: 'seed'.", "param": "seed"}}, set()),
        (400, {"error": {"message": "temperature must be positive"}}, set()),
    ],
)
def test_only_a_field_that_is_refused_is_left_out(
    status: int, body: dict[str, object], gone: set[str]
) -> None:
    fields = RequestFields(seed=3)
    sent = fields.fields(9)
    assert fields.learn(status, json.dumps(body), sent) == bool(gone)
    assert sent.keys() - fields.fields(9).keys() == gone


def test_a_refusal_of_the_prompt_is_still_the_querys_own() -> None:
    def behave(request: dict[str, object], seen: int) -> Reply:
        return refusal("This model's maximum context length is 10 tokens, unexpected seed")

    with serving(behave) as server:
        (error,), _ = ask(server)
    assert isinstance(error, TeacherFailure)
    assert len(server.requests) == 1


def test_exact_lengths_are_not_given_up() -> None:
    """Without min_tokens RankZephyr's answers would be others: the run stops instead."""

    def behave(request: dict[str, object], seen: int) -> Reply:
        return refusal("Unknown parameter: 'min_tokens'.", "min_tokens")

    async def once(server: Server) -> None:
        spoken = ServerSettings(base_url=server.url, model="m", force_length=True)
        await OpenAIServer(spoken, ONE_TRY).generate(PROMPT, 9)

    with serving(behave) as server, pytest.raises(UsageError, match="min_tokens"):
        asyncio.run(once(server))
