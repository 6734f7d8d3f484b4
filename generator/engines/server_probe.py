"""A look at a server before the work starts: is it there, what does it serve, what does it read."""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass

from rankgen.generator.engines.request_fields import RequestFields
from rankgen.generator.engines.server_address import ServerAddress
from rankgen.generator.prompts.chat_format import merge_system
from rankgen.generator.prompts.profiles import ChatMessage
from rankgen.manifests.errors import EnvironmentProblem, UsageError

KEY_VARIABLE = "OPENAI_API_KEY"
_TRIES = 3
_WAIT_S = 1.0
_TIMEOUT_S = 15.0
# The first answer of a server may wait for its model.
_ANSWER_TIMEOUT_S = 120.0
# How servers refuse a conversation, rather than a key or a model: vLLM and SGLang with 400, TGI
# with 422 or 424, llama.cpp with 500 and the template's words.
_REFUSALS = frozenset({400, 422, 424, 500})
_OF_TEMPLATE = re.compile(r"\brole|system (?:message|prompt|turn)|template|jinja", re.IGNORECASE)


@dataclass(frozen=True)
class ServerFacts:
    """What a server says of itself.

    Attributes:
        models: The models it lists; empty when it lists none.
        owner: Who it says it is, such as "vllm"; empty when it does not say.
    """

    models: tuple[str, ...] = ()
    owner: str = ""


def probe_server(address: ServerAddress, key: str) -> ServerFacts:
    """Asks a server for its models.

    A server that answers with anything but a refusal is taken to be there; one that cannot list
    models may still answer prompts.

    Args:
        address: The server's.
        key: Sent as the bearer token.

    Raises:
        EnvironmentProblem: Nothing answers there, or it wants another key.
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
        except (OSError, ValueError) as error:
            if attempt == _TRIES:
                reason = getattr(error, "reason", None) or error
                raise EnvironmentProblem(
                    f"no server answers at {address.shown} ({reason})",
                    "start it, or name another by --base-url",
                ) from None
        time.sleep(_WAIT_S)
    return ServerFacts()


def refused_key(server: str, status: int, said: str = "") -> EnvironmentProblem:
    """Returns the error for a server that wants a key, or another one than it was sent.

    Args:
        server: Its address, as far as it may be shown.
        status: 401 or 403.
        said: What the server answered; a key in it is left out.
    """
    key = os.environ.get(KEY_VARIABLE)
    reason = f": {said.replace(key, '…') if key else said}" if said else ""
    if not key:
        return EnvironmentProblem(
            f"the server {server} wants a key (status {status}), and {KEY_VARIABLE} is not set "
            f"on node {socket.gethostname()}{reason}",
            f"set {KEY_VARIABLE} where you type the command: every worker is told it, and it is "
            "written nowhere",
        )
    return EnvironmentProblem(
        f"the server {server} refuses the key in {KEY_VARIABLE} (status {status}){reason}",
        f"set {KEY_VARIABLE} to a key that may use this server and model",
    )


def wants_merged_system(
    address: ServerAddress,
    key: str,
    model: str,
    messages: Sequence[ChatMessage],
    fields: RequestFields,
) -> bool:
    """Says whether a chat server refuses a system turn and takes its text in the user's turn.

    Asks for one token of an answer, once for nearly every server. Whatever else goes wrong is for
    the first window to find out, which is repeated as it must be.

    Args:
        address: The server's.
        key: Sent as the bearer token.
        model: The name the server knows the model by.
        messages: A prompt as the windows will have it.
        fields: The request's other fields; what the server says of them is learnt.

    Raises:
        UsageError: The server's chat template takes neither form.
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
    """Returns what a server says against the conversation; None when it says nothing against it."""
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
