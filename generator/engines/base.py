"""The interface of engines: each continues prompts or raises why it could not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

from rankgen.generator.answers.outcomes import TeacherFailure, TokenUsage
from rankgen.generator.prompts.profiles import ChatMessage

FinishReason = Literal["stop", "length"]
# The spellings of OpenAI, vLLM, TGI, Cohere and Mistral.
_STOPS = frozenset({"stop", "eos", "eos_token", "stop_sequence", "end_turn", "complete"})
_LENGTHS = frozenset({"length", "max_tokens", "model_length"})


class AskedRanking(NamedTuple):
    """A ranking that the engine must not let the model depart from.

    Attributes:
        form: The name of its format.
        passages: How many passages are to be ranked.
        first: How many of them to write.
    """

    form: str
    passages: int
    first: int


@dataclass(frozen=True)
class EnginePrompt:
    """One prompt in the two forms that engines accept.

    Attributes:
        messages: For chat servers, which apply the chat format themselves.
        token_ids: The whole prompt, for engines that take token ids.
        ranking: The only kind of answer that is allowed; None for any text.
    """

    messages: tuple[ChatMessage, ...]
    token_ids: tuple[int, ...]
    ranking: AskedRanking | None = None


@dataclass(frozen=True)
class Generation:
    """A model's answer.

    Attributes:
        text: The answer without special tokens.
        output_ids: Its token ids; None if the engine does not return them.
        finish_reason: "length" if the token limit ended the answer.
        usage: Tokens read and written, as the engine counts them.
        alternatives: For each token of the answer, the likeliest tokens with their
            log-probabilities; None unless they were asked for and given.
    """

    text: str
    output_ids: tuple[int, ...] | None
    finish_reason: FinishReason
    usage: TokenUsage
    alternatives: tuple[tuple[tuple[str, float], ...], ...] | None = None


class Engine(Protocol):
    """Continues prompts, many at once."""

    @property
    def repeatable(self) -> bool:
        """Whether the same prompt always gets the same answer."""

    def wants_merged_system(self, messages: Sequence[ChatMessage]) -> bool:
        """Says whether the system text must be moved into the user turn.

        Args:
            messages: A typical prompt.

        Raises:
            UsageError: The engine accepts neither form.
        """

    async def generate(self, prompt: EnginePrompt, max_tokens: int) -> Generation:
        """Continues one prompt.

        Args:
            prompt: The prompt.
            max_tokens: Limit on the tokens of the answer, at least 1.

        Raises:
            TeacherFailure: This request failed after all retries; others may succeed.
            EngineDead: The engine is gone; the process must exit.
            RankgenError: No request can succeed.
        """

    async def close(self) -> None:
        """Stops the engine or closes the connections."""

    def facts(self) -> Mapping[str, str]:
        """Returns versions, devices and settings for the manifest."""


def finish_reason(name: str, text: str, usage: TokenUsage) -> FinishReason:
    """Maps a server's or vLLM's finish reason to "stop" or "length".

    Raises:
        TeacherFailure: It is any other reason, such as "content_filter".
    """
    if name.lower() in _STOPS:
        return "stop"
    if name.lower() in _LENGTHS:
        return "length"
    raise TeacherFailure(f"the answer was ended by '{name}'", output_text=text or None, usage=usage)
