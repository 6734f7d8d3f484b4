"""Reads the body of a server's response: either a model's answer or an invalid response."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from rankgen.generator.answers.outcomes import NO_TOKENS, TeacherFailure, TokenUsage
from rankgen.generator.engines.base import Generation, finish_reason
from rankgen.manifests.errors import reason_of

if TYPE_CHECKING:
    from openai.types import Completion
    from openai.types.chat import ChatCompletion

# Finish reasons of a server that broke off; a retry may succeed.
_BROKEN_OFF = frozenset({"abort", "error", "cancelled", "insufficient_system_resource"})


class InvalidResponse(Exception):
    """A response with status 200 whose body contains no answer.

    Args:
        reason: What it lacks.
        usage: The tokens that it cost.
    """

    def __init__(self, reason: str, usage: TokenUsage = NO_TOKENS) -> None:
        super().__init__(reason)
        self.usage = usage


def read_answer(answer: ChatCompletion | Completion) -> Generation:
    """Reads an answer strictly: the client does not validate bodies, and proxies send anything.

    Raises:
        InvalidResponse: The body contains no answer; a retry may get one.
        TeacherFailure: The model refused the prompt.
    """
    from openai.types import Completion
    from openai.types.chat import ChatCompletion

    if not isinstance(answer, Completion | ChatCompletion):
        # The client hands out what is no JSON as text: a page, or a stream of events.
        raise InvalidResponse("no JSON")
    if not answer.choices:
        raise InvalidResponse(f"no choices{_error_in(answer)}")
    usage = _usage(answer)
    if isinstance(answer, ChatCompletion):
        message = answer.choices[0].message
        if message is None:
            raise InvalidResponse("no message", usage)
        if refusal := getattr(message, "refusal", None):
            said = reason_of(ValueError(refusal))
            raise TeacherFailure(
                f"the model refused the prompt: {said}", output_text=str(refusal), usage=usage
            )
        # A model that only thought sends no content: an empty answer.
        text: object = _joined(message.content or "")
    else:
        text = answer.choices[0].text
    if not isinstance(text, str):
        raise InvalidResponse("no text", usage)
    # The client does not validate this field either.
    ended = cast("object", answer.choices[0].finish_reason)
    if not isinstance(ended, str) or ended.lower() in _BROKEN_OFF:
        raise InvalidResponse(f"finish reason {ended}", usage)
    reason = finish_reason(ended, text, usage)
    return Generation(text, None, reason, usage, _alternatives(answer))


def _error_in(answer: ChatCompletion | Completion) -> str:
    """Returns the error that some gateways send with status 200, after a colon; else ""."""
    error: object = getattr(answer, "error", None)
    said = error.get("message") if isinstance(error, dict) else error
    return f": {reason_of(ValueError(said))}" if isinstance(said, str) and said.strip() else ""


def _joined(content: object) -> object:
    """Returns the text of a content in parts, as some servers send it, without its thoughts.

    Parts of other types, such as a picture, are left to be refused.
    """
    if not isinstance(content, list):
        return content
    parts: list[Any] = [one for one in content if _type_of(one) != "thinking"]
    texts = [one.get("text") for one in parts if _type_of(one) == "text"]
    is_text = len(texts) == len(parts) and all(isinstance(text, str) for text in texts)
    return "".join(texts) if is_text else None


def _type_of(part: object) -> object:
    return part.get("type") if isinstance(part, dict) else None


def _alternatives(
    answer: ChatCompletion | Completion,
) -> tuple[tuple[tuple[str, float], ...], ...] | None:
    """Returns the likeliest tokens at each place; None where the server gives none, or nonsense."""
    told: Any = getattr(answer.choices[0], "logprobs", None)
    try:
        if getattr(told, "content", None):
            return tuple(
                tuple((str(one.token), float(one.logprob)) for one in token.top_logprobs)
                for token in told.content
            )
        if getattr(told, "top_logprobs", None):
            return tuple(
                tuple((str(token), float(score)) for token, score in place.items())
                for place in told.top_logprobs
            )
    except (AttributeError, TypeError, ValueError):
        pass
    return None


def _usage(answer: ChatCompletion | Completion) -> TokenUsage:
    """Returns the tokens, thoughts included: xAI and Gemini count these in the total alone."""
    names = ("prompt_tokens", "completion_tokens", "total_tokens")
    told = (getattr(answer.usage, name, 0) for name in names)
    prompt, output, total = (count if isinstance(count, int) else 0 for count in told)
    return TokenUsage(prompt, max(output, total - prompt) if prompt else output)
