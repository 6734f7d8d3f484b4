"""Any OpenAI-compatible server, `vllm serve` included; an error body can never become an answer."""

from __future__ import annotations

import asyncio
import importlib.metadata
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from rankgen.generator.answers.outcomes import NO_TOKENS, TeacherFailure
from rankgen.generator.engines.answered_model import AnsweredModel
from rankgen.generator.engines.base import EnginePrompt, Generation
from rankgen.generator.engines.request_fields import RequestFields
from rankgen.generator.engines.retry import RetryPolicy, retry_after_s
from rankgen.generator.engines.server_address import server_address
from rankgen.generator.engines.server_answer import NoAnswer, read_answer
from rankgen.generator.engines.server_pace import ServerPace
from rankgen.generator.engines.server_probe import (
    KEY_VARIABLE,
    ServerFacts,
    probe_server,
    refused_key,
    wants_merged_system,
)
from rankgen.generator.prompts.profiles import ChatMessage
from rankgen.manifests.errors import EnvironmentProblem, RankgenError, UsageError, reason_of

if TYPE_CHECKING:
    from openai import APIStatusError, AsyncOpenAI, RateLimitError
    from openai.types import Completion
    from openai.types.chat import ChatCompletion

Api = Literal["chat", "completions"]

_RETRIED_STATUS = frozenset({408, 409, 425})
# Azure's and others' refusals of a prompt, sent as status 400.
_FILTERED = re.compile(
    r"content[_ ](?:filter|management policy|policy)|ResponsibleAI", re.IGNORECASE
)


@dataclass(frozen=True)
class ServerSettings:
    """How a server is spoken to.

    Attributes:
        base_url: Its address, with or without /v1.
        model: The name the server knows the model by.
        api: "chat" sends messages, "completions" sends token ids.
        seed: Sent along; greedy decoding does not draw.
        force_length: Ask for exactly `max_tokens` tokens (vLLM's `min_tokens`).
        add_special_tokens: Ask a chat server to put the beginning token in front, which Zephyr's
            chat format leaves to the tokenizer (understood by vLLM).
        timeout_s: Longest time for one call.
    """

    base_url: str
    model: str
    api: Api = "chat"
    seed: int = 0
    force_length: bool = False
    add_special_tokens: bool = False
    timeout_s: float = 600.0


class OpenAIServer:
    """A client of one server.

    Args:
        settings: How the server is spoken to.
        retry: When it is asked again.
        answered: Compares the models that its answers name.

    Raises:
        UsageError: The address is none.
        EnvironmentProblem: The server does not answer, wants a key, or `openai` is missing.
    """

    # Servers batch as they like and hosted ones need not be deterministic.
    repeatable = False

    def __init__(
        self,
        settings: ServerSettings,
        retry: RetryPolicy | None = None,
        answered: AnsweredModel | None = None,
    ) -> None:
        self._settings = settings
        self._retry = retry or RetryPolicy()
        self._address = server_address(settings.base_url)
        self._shown = self._address.shown
        self._pace = ServerPace()
        self._model = answered or AnsweredModel()
        self._fields = RequestFields(settings.seed)
        self._key = os.environ.get(KEY_VARIABLE) or "none"
        self._server: ServerFacts = probe_server(self._address, self._key)
        self._answered = False
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
            timeout=settings.timeout_s,
        )

    def wants_merged_system(self, messages: Sequence[ChatMessage]) -> bool:
        """Asks the server whether a system turn must be merged; see `server_probe`."""
        return self._settings.api == "chat" and wants_merged_system(
            self._address, self._key, self._settings.model, messages, self._fields
        )

    async def generate(self, prompt: EnginePrompt, max_tokens: int) -> Generation:
        """Asks until there is an answer or the attempts are spent; see `Engine.generate`."""
        import openai

        failure, attempt, limited, spent = "", 1, 0, NO_TOKENS
        while attempt <= self._retry.attempts:
            wait_at_least: float | None = None
            fields: dict[str, object] = {}
            try:
                async with self._pace.turn():
                    fields = self._fields.fields(max_tokens)
                    generation = await self._ask(prompt, fields, max_tokens)
            except openai.RateLimitError as error:
                limited += 1
                self._slow_down(error, limited)
                continue
            except openai.APIStatusError as error:
                if self._fields.learn(error.status_code, error.response.text, fields):
                    continue
                if error.status_code < 500 and error.status_code not in _RETRIED_STATUS:
                    raise self._refusal(error, attempt) from error
                failure = f"status {error.status_code}"
                wait_at_least = retry_after_s(error.response.headers.get("retry-after"))
            except openai.APITimeoutError:
                failure = f"no answer within {self._settings.timeout_s:g} s"
            except openai.APIConnectionError as error:
                failure = f"connection failed ({type(error.__cause__).__name__})"
            except (openai.APIError, NoAnswer, ValueError) as error:
                failure = f"an answer that is none ({reason_of(error)})"
                spent += error.usage if isinstance(error, NoAnswer) else NO_TOKENS
            else:
                self._answered = True
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

    def _slow_down(self, error: RateLimitError, times: int) -> None:
        """Holds every request of this worker back for as long as the server wants.

        Raises:
            EnvironmentProblem: The quota is spent, or the server has refused everything for long.
        """
        said = reason_of(error)
        what = f"the server {self._shown} refuses requests for model {self._settings.model}"
        if error.code == "insufficient_quota":
            raise EnvironmentProblem(
                f"{what}: the quota is spent ({said})",
                "raise the quota of the key, then repeat the command to resume",
            ) from error
        wanted = retry_after_s(error.response.headers.get("retry-after"))
        silent = self._pace.refused(self._retry.wait_s(times, None) if wanted is None else wanted)
        if silent > self._retry.limited_s:
            raise EnvironmentProblem(
                f"{what} and has answered none for {silent / 60:.0f} minutes: {said}",
                "repeat the command to resume when the server has room",
            ) from error

    async def _ask(
        self, prompt: EnginePrompt, fields: Mapping[str, object], max_tokens: int
    ) -> Generation:
        extra = dict(fields)
        if self._settings.force_length:
            extra["min_tokens"] = max_tokens
        if self._settings.api == "chat":
            if self._settings.add_special_tokens:
                extra["add_special_tokens"] = True
            answer: ChatCompletion | Completion = await self._client.chat.completions.create(
                model=self._settings.model,
                messages=[
                    {"role": "system", "content": m.content}
                    if m.role == "system"
                    else {"role": "user", "content": m.content}
                    for m in prompt.messages
                ],
                extra_body=extra,
            )
        else:
            answer = await self._client.completions.create(
                model=self._settings.model, prompt=list(prompt.token_ids), extra_body=extra
            )
        generation = read_answer(answer)
        # Only now is it known to be an answer.
        model, fingerprint = (getattr(answer, n, None) for n in ("model", "system_fingerprint"))
        self._model.compare(self._shown, model, fingerprint)
        return generation

    def _refusal(self, error: APIStatusError, attempt: int) -> RankgenError | TeacherFailure:
        """Turns a 4xx into the right error: the run's settings, its key, or just this prompt."""
        said = reason_of(error)
        what = f"the server {self._shown} refused the request for model {self._settings.model}"
        if error.status_code in (401, 403):
            return refused_key(self._shown, error.status_code, said)
        if error.status_code == 404:
            listed = ", ".join(self._server.models) or "none"
            return UsageError(f"{what} with status 404: {said}", f"models it lists: {listed}")
        if _FILTERED.search(error.response.text):
            return TeacherFailure(f"{what} by its content filter: {said}", attempt)
        # A server that has answered others refuses this prompt, not the settings.
        if self._answered or "context" in said.lower():
            return TeacherFailure(f"{what} with status {error.status_code}: {said}", attempt)
        return UsageError(
            f"{what} with status {error.status_code}: {said}",
            "check --model, --api and --context-size",
        )

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
        """Returns the server's address, what it says it is, and what its answers have shown."""
        facts = {
            "engine": "openai",
            "base_url": self._shown,
            "api": self._settings.api,
            "openai": importlib.metadata.version("openai"),
            "served_models": ", ".join(self._server.models),
        }
        if self._server.owner:
            facts["server"] = self._server.owner
        return {**facts, **self._fields.facts(), **self._model.facts()}
