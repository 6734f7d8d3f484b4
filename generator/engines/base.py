"""The one thing an engine does: continue a prompt, or say honestly that it could not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from rankgen.generator.outcomes import TokenUsage
from rankgen.generator.prompts.profiles import ChatMessage

FinishReason = Literal["stop", "length", "other"]


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


def finish_reason(name: str | None) -> FinishReason:
    """Maps a server's or vLLM's word to the three that matter here."""
    if name == "stop":
        return "stop"
    return "length" if name == "length" else "other"
