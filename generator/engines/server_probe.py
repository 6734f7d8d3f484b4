"""One look at a server before the work starts: is it there, and what does it serve."""

from __future__ import annotations

import json
import os
import socket
import time
import urllib.error
import urllib.request
from dataclasses import dataclass

from rankgen.manifests.errors import EnvironmentProblem

KEY_VARIABLE = "OPENAI_API_KEY"
_TRIES = 3
_WAIT_S = 1.0
_TIMEOUT_S = 15.0


@dataclass(frozen=True)
class ServerFacts:
    """What a server says of itself.

    Attributes:
        models: The models it lists; empty when it lists none.
        owner: Who it says it is, such as "vllm"; empty when it does not say.
    """

    models: tuple[str, ...] = ()
    owner: str = ""


def probe_server(base_url: str, key: str) -> ServerFacts:
    """Asks a server for its models.

    A server that answers with anything but a refusal is taken to be there; one that cannot list
    models may still answer prompts.

    Args:
        base_url: Address with its path, such as http://host:8000/v1.
        key: Sent as the bearer token.

    Raises:
        EnvironmentProblem: Nothing answers there, or it wants another key.
    """
    request = urllib.request.Request(
        f"{base_url}/models", headers={"Authorization": f"Bearer {key}"}
    )
    for attempt in range(1, _TRIES + 1):
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:
                return _facts(response.read())
        except urllib.error.HTTPError as error:
            if error.code in (401, 403):
                raise refused_key(base_url, error.code) from None
            return ServerFacts()
        except (OSError, ValueError) as error:
            if attempt == _TRIES:
                reason = getattr(error, "reason", None) or error
                raise EnvironmentProblem(
                    f"no server answers at {base_url} ({reason})",
                    "start it, or name another by --base-url",
                ) from None
        time.sleep(_WAIT_S)
    return ServerFacts()


def refused_key(base_url: str, status: int, said: str = "") -> EnvironmentProblem:
    """Returns the error for a server that wants a key, or another one than it was sent.

    Args:
        base_url: The server.
        status: 401 or 403.
        said: What the server answered; a key in it is left out.
    """
    key = os.environ.get(KEY_VARIABLE)
    if not key:
        return EnvironmentProblem(
            f"the server {base_url} wants a key (status {status}), and {KEY_VARIABLE} is not set "
            f"on node {socket.gethostname()}",
            f"set {KEY_VARIABLE} where you type the command: every worker is told it, and it is "
            "written nowhere",
        )
    reason = f": {said.replace(key, '…')}" if said else ""
    return EnvironmentProblem(
        f"the server {base_url} refuses the key in {KEY_VARIABLE} (status {status}){reason}",
        f"set {KEY_VARIABLE} to a key that may use this server and model",
    )


def _facts(body: bytes) -> ServerFacts:
    try:
        listed = json.loads(body)["data"]
        models = tuple(str(model["id"]) for model in listed)
        owner = str(listed[0].get("owned_by", "")) if listed else ""
    except (ValueError, KeyError, TypeError, AttributeError):
        return ServerFacts()
    return ServerFacts(models, owner)
