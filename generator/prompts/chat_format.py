"""Turns messages into the text that a model reads."""

from __future__ import annotations

from collections.abc import Sequence

from rankgen.generator.prompts.profiles import ChatMessage

ZEPHYR_FORMAT = "zephyr"


def zephyr_text(messages: Sequence[ChatMessage]) -> str:
    """Returns the messages in Zephyr's chat format, ready for the assistant's answer.

    FastChat's "zephyr" template (2024) and the chat template in RankZephyr's tokenizer give this
    same text. The beginning-of-sequence token is the tokenizer's to add.
    """
    turns = "".join(f"<|{message.role}|>\n{message.content}</s>\n" for message in messages)
    return turns + "<|assistant|>\n"
