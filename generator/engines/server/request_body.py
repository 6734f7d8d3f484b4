"""The body of a request: model, messages and fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rankgen.generator.prompts.profiles import ChatMessage

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletionMessageParam


def request_fields(
    fields: Mapping[str, object],
    max_tokens: int,
    *,
    force_length: bool,
    special_tokens: bool,
    alternatives: Mapping[str, object],
) -> dict[str, object]:
    """Returns the fields beside model and prompt.

    Args:
        fields: Those that every request has; see `request_fields`.
        max_tokens: Limit on the tokens of the answer.
        force_length: Whether the answer must have exactly so many (vLLM's `min_tokens`).
        special_tokens: Whether the server adds the beginning token to a chat.
        alternatives: The fields that ask for the likeliest tokens; see `alternatives_fields`.
    """
    extra = {**fields, **alternatives}
    if force_length:
        extra["min_tokens"] = max_tokens
    if special_tokens:
        extra["add_special_tokens"] = True
    return extra


def alternatives_fields(most: int | None, *, is_chat: bool) -> dict[str, object]:
    """Returns the fields that ask for the `most` likeliest tokens at each place of the answer."""
    if most is None:
        return {}
    return {"logprobs": True, "top_logprobs": most} if is_chat else {"logprobs": most}


def turn(message: ChatMessage) -> ChatCompletionMessageParam:
    """Returns a message as the protocol has it."""
    if message.role == "system":
        return {"role": "system", "content": message.content}
    if message.role == "assistant":
        return {"role": "assistant", "content": message.content}
    return {"role": "user", "content": message.content}
