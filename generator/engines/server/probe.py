"""Checks a server before the work starts: whether it answers, and which prompts it accepts."""

from __future__ import annotations

import http.client
import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass

from rankgen.generator.engines.server.address import ServerAddress
from rankgen.generator.engines.server.refusal import refused_key
from rankgen.generator.engines.server.request_fields import RequestFields
from rankgen.generator.prompts.chat_format import merge_system
from rankgen.generator.prompts.profiles import ChatMessage
from rankgen.manifests.errors import EnvironmentProblem, UsageError, reason_of

_TRIES = 3
_WAIT_S = 1.0
_TIMEOUT_S = 15.0
# A server may load its model before the first answer.
_ANSWER_TIMEOUT_S = 120.0
# How servers refuse the form of a conversation: vLLM and SGLang with 400, TGI with 422 or 424,
# llama.cpp with 500 and the template's message.
_REFUSALS = frozenset({400, 422, 424, 500})
_OF_TEMPLATE = re.compile(r"\brole|system (?:message|prompt|turn)|template|jinja", re.IGNORECASE)


@dataclass(frozen=True)
class ServerFacts:
    """What a server reports about itself.

    Attributes:
        models: The models it lists, if any.
        owner: The software it names, such as "vllm"; empty if it names none.
    """

    models: tuple[str, ...] = ()
    owner: str = ""


def probe_server(address: ServerAddress, key: str) -> ServerFacts:
    """Asks a server for its models.

    Any response but a refused key is accepted: a server that cannot list its models may still
    answer prompts.

    Args:
        address: The server's address.
        key: The bearer token.

    Raises:
        EnvironmentProblem: No server answers there, or it refuses the key.
    """
    request = urllib.request.Request(
        address.of("models"), headers={"Authorization": f"Bearer {key}"}
    )
    for attempt in range(1, _TRIES + 1):
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:
                return _facts(response.read())
        except urllib.error.HTTPError as error:
            if error.code in (401, 403):
                raise refused_key(address.shown, error.code) from None
            return ServerFacts()
        # HTTPException: what answers there speaks no HTTP, or broke off.
        except (OSError, ValueError, http.client.HTTPException) as error:
            if attempt == _TRIES:
                reason = getattr(error, "reason", None) or reason_of(error)
                raise EnvironmentProblem(
                    f"no server answers at {address.shown} ({reason})",
                    "start it, or give another address with --base-url",
                ) from None
        time.sleep(_WAIT_S)
    return ServerFacts()


def wants_merged_system(
    address: ServerAddress,
    key: str,
    model: str,
    messages: Sequence[ChatMessage],
    fields: RequestFields,
) -> bool:
    """Says whether a chat server refuses a system turn but accepts its text in the user turn.

    Requests one token of an answer; for nearly every server a single request is enough. All other
    problems are left to the first window, which has retries.

    Args:
        address: The server's address.
        key: The bearer token.
        model: The server's name for the model.
        messages: A typical prompt.
        fields: The request's other fields; they are adapted to the server's refusals.

    Raises:
        UsageError: The server's chat template accepts neither form.
    """
    refusal = _refusal(address, key, model, messages, fields)
    if refusal is None:
        return False
    without = _refusal(address, key, model, merge_system(messages), fields)
    if without is None:
        return True
    if _OF_TEMPLATE.search(refusal) and _OF_TEMPLATE.search(without):
        raise UsageError(
            f"the chat template of model {model} at {address.shown} refuses a ranking prompt with "
            f"and without a system turn: {without}",
            "serve the model with another chat template, or use --api completions with --tokenizer",
        )
    return False


def _refusal(
    address: ServerAddress,
    key: str,
    model: str,
    messages: Sequence[ChatMessage],
    fields: RequestFields,
) -> str | None:
    turns = [{"role": message.role, "content": message.content} for message in messages]
    while True:
        sent = fields.fields(max_tokens=1)
        request = urllib.request.Request(
            address.of("chat/completions"),
            json.dumps({"model": model, "messages": turns, **sent}).encode(),
            {"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
        )
        try:
            urllib.request.urlopen(request, timeout=_ANSWER_TIMEOUT_S).close()
        except urllib.error.HTTPError as error:
            body = error.read(4000).decode(errors="replace")
            if fields.learn(error.code, body, sent):
                continue
            said = " ".join(body.split())
            if error.code in _REFUSALS and (error.code != 500 or _OF_TEMPLATE.search(said)):
                return said[:300]
        except (OSError, ValueError, http.client.HTTPException):
            pass
        return None


def _facts(body: bytes) -> ServerFacts:
    try:
        listed = json.loads(body)["data"]
        models = tuple(str(model["id"]) for model in listed)
        owner = str(listed[0].get("owned_by", "")) if listed else ""
    except (ValueError, KeyError, TypeError, AttributeError):
        return ServerFacts()
    return ServerFacts(models, owner)
