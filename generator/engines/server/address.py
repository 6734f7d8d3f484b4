"""Addresses of servers: where requests go, and the part that may be shown.

Some gateways take keys in the path or the query of their URL, so plans, manifests and messages hold
only scheme and host.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urlsplit

from rankgen.manifests.errors import EnvironmentProblem, UsageError

KEY_VARIABLE = "OPENAI_API_KEY"
# What rankgen itself adds to an address.
_REQUESTS = ("/chat/completions", "/completions", "/models", "/batches", "/files")


@dataclass(frozen=True)
class ServerAddress:
    """The address of an OpenAI-compatible server.

    Attributes:
        url: Scheme, host and path, without the query; the path defaults to /v1.
        query: The parameters to send with every request.
        shown: Scheme and host, the only part that may be shown or stored.
    """

    url: str
    query: dict[str, str]
    shown: str

    def of(self, path: str) -> str:
        """Returns the URL of a request, such as for the path "models"."""
        query = f"?{urlencode(self.query)}" if self.query else ""
        return f"{self.url}/{path}{query}"


def server_address(url: str) -> ServerAddress:
    """Parses the value of `--base-url`.

    Raises:
        UsageError: It is not an http or https URL, contains a user name, or is the address of one
            kind of request.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = f":{parts.port}" if parts.port is not None else ""
    except ValueError:
        parts, host, port = urlsplit(""), "", ""
    if parts.scheme not in ("http", "https") or not host:
        # The value is not shown: it may contain a key.
        raise UsageError(
            "--base-url is not a server URL", "write it as --base-url http://host:8000/v1"
        )
    if "@" in parts.netloc:
        raise UsageError(
            "--base-url contains a user name or a password",
            f"leave them out, and set {KEY_VARIABLE} to the server's key",
        )
    path = parts.path.rstrip("/") or "/v1"
    if end := next((end for end in _REQUESTS if path.endswith(end)), None):
        raise UsageError(
            f"--base-url ends with {end}, which rankgen adds itself",
            "leave that out, as in --base-url http://host:8000/v1",
        )
    shown = f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{port}"
    return ServerAddress(
        f"{parts.scheme}://{parts.netloc}{path}", dict(parse_qsl(parts.query)), shown
    )


def server_key() -> str | None:
    """Returns the key without white space around it, as a file may end it with a line break.

    Returns:
        The key; None if there is none.

    Raises:
        EnvironmentProblem: No request can hold it. The message does not show it.
    """
    key = os.environ.get(KEY_VARIABLE, "").strip()
    if not (key.isascii() and key.isprintable()):
        raise EnvironmentProblem(
            f"{KEY_VARIABLE} holds characters that no key has, such as a line break or a curly "
            "quotation mark",
            f"set {KEY_VARIABLE} to the key alone",
        )
    return key or None
