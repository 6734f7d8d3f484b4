"""What a server's body says: an answer of the model, or none."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from rankgen.generator.engines.base import Generation, finish_reason
from rankgen.generator.outcomes import TeacherFailure, TokenUsage
from rankgen.manifests.errors import reason_of

if TYPE_CHECKING:
    from openai.types import Completion
    from openai.types.chat import ChatCompletion

# Finish reasons of a server that broke off; another try may succeed.
_BROKEN_OFF = frozenset({"abort", "error", "cancelled"})


class NoAnswer(Exception):
    """Status 200 with a body that holds no answer."""


def read_answer(answer: ChatCompletion | Completion) -> Generation:
    """Reads an answer strictly: the client does not validate bodies, and proxies send anything.

    Raises:
        NoAnswer: The body holds no answer; another try may bring one.
        TeacherFailure: The model refused the prompt.
    """
    from openai.types import Completion
    from openai.types.chat import ChatCompletion

    if not isinstance(answer, Completion | ChatCompletion) or not answer.choices:
        raise NoAnswer("no choices")
    if isinstance(answer, ChatCompletion):
        message = answer.choices[0].message
        if message is None:
            raise NoAnswer("no message")
        if refusal := getattr(message, "refusal", None):
            raise TeacherFailure(f"the model refused the prompt: {reason_of(ValueError(refusal))}")
        # Absent content is an empty answer when the model spoke only to itself.
        text: object = message.content or ""
    else:
        text = answer.choices[0].text
    if not isinstance(text, str):
        raise NoAnswer("no text")
    # Not validated either.
    ended = cast("object", answer.choices[0].finish_reason)
    if not isinstance(ended, str) or ended in _BROKEN_OFF:
        raise NoAnswer(f"finish reason {ended}")
    prompt_tokens = answer.usage.prompt_tokens if answer.usage else 0
    output_tokens = answer.usage.completion_tokens if answer.usage else 0
    return Generation(
        text,
        None,
        finish_reason(ended),
        TokenUsage(prompt_tokens or 0, output_tokens or 0),
    )
