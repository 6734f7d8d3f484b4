"""A client of any OpenAI-compatible server; an error response never becomes an answer."""

from __future__ import annotations

import asyncio
import importlib.metadata
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from rankgen.generator.answers.outcomes import NO_TOKENS, FailedCall, TeacherFailure
from rankgen.generator.engines.base import EnginePrompt, Generation
from rankgen.generator.engines.cost.purse import CostCapReached, Purse, most_tokens
from rankgen.generator.engines.server.address import server_address, server_key
from rankgen.generator.engines.server.answer import InvalidResponse, read_answer
from rankgen.generator.engines.server.answered_model import AnsweredModel
from rankgen.generator.engines.server.pace import ServerPace
from rankgen.generator.engines.server.probe import ServerFacts, probe_server, wants_merged_system
from rankgen.generator.engines.server.refusal import refused_request
from rankgen.generator.engines.server.request_body import alternatives_fields, request_fields, turn
from rankgen.generator.engines.server.request_fields import RequestFields
from rankgen.generator.engines.server.retry import RetryPolicy, retry_after_s
from rankgen.generator.engines.server.short_reads import ShortReads
from rankgen.generator.engines.settings import Api, EndpointSettings, speaks_chat
from rankgen.generator.prompts.profiles import ChatMessage
from rankgen.manifests.errors import EnvironmentProblem, RankgenError, reason_of

if TYPE_CHECKING:
    from openai import APIStatusError, AsyncOpenAI, RateLimitError
    from openai.types import Completion
    from openai.types.chat import ChatCompletion

_RETRIED_STATUS = frozenset({408, 409, 425})


class ServerSettings(EndpointSettings):
    """How to send requests to a server.

    Attributes:
        model: The server's name for the model.
        seed: Sent with every request; greedy decoding does not use it.
        force_length: Ask for exactly `max_tokens` tokens (vLLM's `min_tokens`).
        add_special_tokens: Ask a chat server to add the beginning token, which Zephyr's chat format
            leaves to the tokenizer (supported by vLLM).
        alternatives: How many of the likeliest tokens to ask for at each place of the answer.
    """

    base_url: str
    api: Api = "chat"
    model: str
    seed: int = 0
    force_length: bool = False
    add_special_tokens: bool = False
    alternatives: int | None = None


class OpenAIServer:
    """A client of one server.

    Raises:
        UsageError: The address is not a server URL.
        EnvironmentProblem: The server does not answer, wants a key, or `openai` is not installed.
    """

    # Servers batch requests as they like, and hosted ones may not be deterministic.
    repeatable = False

    def __init__(
        self,
        settings: ServerSettings,
        retry: RetryPolicy | None = None,
        answered: AnsweredModel | None = None,
        purse: Purse | None = None,
    ) -> None:
        self._settings = settings
        self._retry = retry or RetryPolicy()
        self._address = server_address(settings.base_url)
        self._shown = self._address.shown
        self._pace = ServerPace()
        self._model = answered or AnsweredModel()
        self._purse = purse or Purse()
        self._fields, self._short = RequestFields(settings.seed), ShortReads()
        self._key = server_key() or "none"
        self._server: ServerFacts = probe_server(self._address, self._key)
        self._has_answered = False
        self._tokens = NO_TOKENS
        try:
            import openai
        except ImportError:
            raise EnvironmentProblem(
                "the package openai is not installed", 'pip install "rankgen-distill[teacher]"'
            ) from None
        self._client: AsyncOpenAI = openai.AsyncOpenAI(
            base_url=self._address.url,
            default_query=self._address.query,
            api_key=self._key,
            max_retries=0,
            timeout=settings.request_timeout_s,
        )

    def wants_merged_system(self, messages: Sequence[ChatMessage]) -> bool:
        """Asks the server whether it refuses a system turn; see `server_probe`."""
        return speaks_chat(self._settings.api) and wants_merged_system(
            self._address, self._key, self._settings.model, messages, self._fields
        )

    async def generate(self, prompt: EnginePrompt, max_tokens: int) -> Generation:
        """Repeats the request until it is answered, within limits; see `Engine.generate`."""
        import openai

        failure, attempt, limited, spent = "", 1, 0, NO_TOKENS
        while attempt <= self._retry.attempts:
            wait_at_least: float | None = None
            fields: dict[str, object] = {}
            try:
                async with self._pace.turn():
                    fields = self._fields.fields(max_tokens)
                    ask = partial(self._ask, prompt, fields, max_tokens)
                    most = most_tokens(prompt, max_tokens)
                    generation = await self._purse.pay(self._shown, most, ask)
            except CostCapReached as reached:
                lost = FailedCall(failure, usage=spent)
                raise reached.after([lost] if spent != NO_TOKENS else []) from reached
            except openai.RateLimitError as error:
                limited += 1
                self._slow_down(error, limited)
                continue
            except openai.APIStatusError as error:
                if self._fields.learn(error.status_code, error.response.text, fields):
                    continue
                if error.status_code < 500 and error.status_code not in _RETRIED_STATUS:
                    raise self._refused(error, attempt) from error
                failure = f"status {error.status_code}"
                wait_at_least = retry_after_s(error.response.headers.get("retry-after"))
            except openai.APITimeoutError:
                failure = f"no answer within {self._settings.request_timeout_s:g} s"
            except openai.APIConnectionError as error:
                failure = f"connection failed ({type(error.__cause__).__name__})"
            except (openai.APIError, InvalidResponse, ValueError) as error:
                failure = f"an invalid response ({reason_of(error)})"
                spent += error.usage if isinstance(error, InvalidResponse) else NO_TOKENS
            else:
                self._has_answered = True
                self._tokens += generation.usage + spent
                self._pace.answered()
                return replace(generation, usage=generation.usage + spent)
            if attempt < self._retry.attempts:
                await asyncio.sleep(self._retry.wait_s(attempt, wait_at_least))
            attempt += 1
        raise TeacherFailure(
            f"the server {self._shown} failed {self._retry.attempts} times, lastly: {failure}",
            attempts=self._retry.attempts,
            usage=spent,
        )

    def _refused(self, error: APIStatusError, attempt: int) -> RankgenError | TeacherFailure:
        refused = partial(refused_request, self._shown, self._settings.model, error, attempt)
        return refused(listed=self._server.models, has_answered=self._has_answered)

    def _slow_down(self, error: RateLimitError, times: int) -> None:
        """Delays every request of this worker for as long as the server wants.

        Raises:
            EnvironmentProblem: The quota is used up, or the server has refused everything for long.
        """
        said = reason_of(error)
        what = f"the server {self._shown} refuses requests for model {self._settings.model}"
        if error.code == "insufficient_quota":
            raise EnvironmentProblem(
                f"{what}: the quota is used up ({said})",
                "raise the quota of the key, then repeat the command to resume",
            ) from error
        wanted = retry_after_s(error.response.headers.get("retry-after"))
        silent = self._pace.refused(self._retry.pause_s(times, wanted, what))
        if silent > self._retry.limited_s:
            raise EnvironmentProblem(
                f"{what} and has not answered any for {silent / 60:.0f} minutes: {said}",
                "repeat the command to resume when the server is less busy",
            ) from error

    async def _ask(
        self, prompt: EnginePrompt, fields: Mapping[str, object], max_tokens: int
    ) -> Generation:
        settings = self._settings
        is_chat = speaks_chat(settings.api)
        extra = request_fields(
            fields,
            max_tokens,
            force_length=settings.force_length,
            special_tokens=is_chat and settings.add_special_tokens,
            alternatives=alternatives_fields(settings.alternatives, is_chat=is_chat),
        )
        generation, answer = await self._send(prompt, extra)
        # Only a valid answer is compared.
        model, fingerprint = (getattr(answer, n, None) for n in ("model", "system_fingerprint"))
        self._model.compare(self._shown, model, fingerprint)
        self._short.compare(prompt, generation.usage.prompt)
        return generation

    async def _send(
        self, prompt: EnginePrompt, extra: Mapping[str, object]
    ) -> tuple[Generation, ChatCompletion | Completion]:
        if speaks_chat(self._settings.api):
            answer: ChatCompletion | Completion = await self._client.chat.completions.create(
                model=self._settings.model,
                messages=[turn(message) for message in prompt.messages],
                extra_body=extra,
            )
        else:
            answer = await self._client.completions.create(
                model=self._settings.model, prompt=list(prompt.token_ids), extra_body=extra
            )
        return read_answer(answer), answer

    def gauges(self) -> Mapping[str, float]:
        """Returns requests in flight, pauses and tokens; see `rankgen.generator.engines.gauges`."""
        return {
            **self._pace.gauges(),
            "prompt_tokens_total": self._tokens.prompt,
            "completion_tokens_total": self._tokens.output,
        }

    async def close(self) -> None:
        """Closes the connections."""
        await self._client.close()

    def facts(self) -> Mapping[str, str]:
        """Returns the server's address, its own report, and what its answers have shown."""
        facts = {
            "engine": "openai",
            "base_url": self._shown,
            "api": self._settings.api,
            "openai": importlib.metadata.version("openai"),
            "served_models": ", ".join(self._server.models),
        }
        if self._server.owner:
            facts["server"] = self._server.owner
        return {**facts, **self._fields.facts(), **self._model.facts(), **self._short.facts()}
