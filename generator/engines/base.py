"""The one thing an engine does: continue a prompt, or say honestly that it could not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from rankgen.generator.answers.outcomes import TeacherFailure, TokenUsage
from rankgen.generator.prompts.profiles import ChatMessage

FinishReason = Literal["stop", "length"]
# As servers spell them: OpenAI, vLLM, TGI, Cohere and Mistral.
_STOPS = frozenset({"stop", "eos", "eos_token", "stop_sequence", "end_turn", "complete"})
_LENGTHS = frozenset({"length", "max_tokens", "model_length"})


@dataclass(frozen=True)
class EnginePrompt:
    """One prompt in the two forms that engines take.

    Attributes:
        messages: For chat servers, which apply the chat format themselves.
        token_ids: The whole prompt, for engines that read ids.
    """

    messages: tuple[ChatMessage, ...]
    token_ids: tuple[int, ...]


@dataclass(frozen=True)
class Generation:
    """What the model wrote.

    Attributes:
        text: The answer without special tokens.
        output_ids: Its token ids, where the engine tells.
        finish_reason: "length" when the token budget ended it.
        usage: Tokens read and written, as the engine counts them.
    """

    text: str
    output_ids: tuple[int, ...] | None
    finish_reason: FinishReason
    usage: TokenUsage


class Engine(Protocol):
    """Continues prompts, many at a time."""

    @property
    def repeatable(self) -> bool:
        """Whether asking again with the same prompt can only give the same answer."""

    def wants_merged_system(self, messages: Sequence[ChatMessage]) -> bool:
        """Says whether messages must be sent without a system turn, its text in the user's.

        Args:
            messages: A prompt as the windows will have it.

        Raises:
            UsageError: They cannot be sent at all.
        """

    async def generate(self, prompt: EnginePrompt, max_tokens: int) -> Generation:
        """Continues one prompt.

        Args:
            prompt: The prompt.
            max_tokens: Most tokens to write, at least 1.

        Raises:
            TeacherFailure: This request failed for good; others may succeed.
            EngineDead: The engine is gone; the process must exit.
            RankgenError: No request can succeed.
        """

    async def close(self) -> None:
        """Stops the engine or closes the connections."""

    def facts(self) -> Mapping[str, str]:
        """Versions, devices and settings for the manifest."""


def finish_reason(name: str, text: str, usage: TokenUsage) -> FinishReason:
    """Maps a server's or vLLM's word to the two under which a text is an answer.

    Args:
        name: The word.
        text: What was written until then.
        usage: What it cost.

    Raises:
        TeacherFailure: The word means neither, such as "content_filter".
    """
    if name.lower() in _STOPS:
        return "stop"
    if name.lower() in _LENGTHS:
        return "length"
    raise TeacherFailure(f"the answer was ended by '{name}'", output_text=text or None, usage=usage)
