"""One look at a server before the work starts: is it there, and what does it serve."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from dataclasses import dataclass

from rankgen.manifests.errors import EnvironmentProblem

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
                raise EnvironmentProblem(
                    f"the server {base_url} wants another key (status {error.code})",
                    "set OPENAI_API_KEY",
                ) from None
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


def _facts(body: bytes) -> ServerFacts:
    try:
        listed = json.loads(body)["data"]
        models = tuple(str(model["id"]) for model in listed)
        owner = str(listed[0].get("owned_by", "")) if listed else ""
    except (ValueError, KeyError, TypeError, AttributeError):
        return ServerFacts()
    return ServerFacts(models, owner)
