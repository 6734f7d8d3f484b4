"""Where a server is: what requests go to, and what of it may be written down.

Gateways take keys in the path or the query of their address, so plans, manifests and messages hold
its scheme and host only.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urlsplit

from rankgen.manifests.errors import UsageError


@dataclass(frozen=True)
class ServerAddress:
    """The address of an OpenAI-compatible server.

    Attributes:
        url: Scheme, host and path, without a query; /v1 is the path when none is given.
        query: The parameters that go with every request.
        shown: Scheme and host: all that may be shown or written down.
    """

    url: str
    query: dict[str, str]
    shown: str

    def of(self, path: str) -> str:
        """Returns the whole URL of a request, such as to "models"."""
        query = f"?{urlencode(self.query)}" if self.query else ""
        return f"{self.url}/{path}{query}"


def server_address(url: str) -> ServerAddress:
    """Reads an address as a user types it.

    Raises:
        UsageError: It is not an http or https URL, or holds a user name.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = f":{parts.port}" if parts.port is not None else ""
    except ValueError:
        parts, host, port = urlsplit(""), "", ""
    if parts.scheme not in ("http", "https") or not host:
        # What was typed may hold a key, too.
        raise UsageError(
            "--base-url is not a server URL", "write it as --base-url http://host:8000/v1"
        )
    if "@" in parts.netloc:
        raise UsageError(
            "--base-url holds a user name or a password",
            "leave them out, and give the server's key by OPENAI_API_KEY",
        )
    path = parts.path.rstrip("/") or "/v1"
    shown = f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{port}"
    return ServerAddress(
        f"{parts.scheme}://{parts.netloc}{path}", dict(parse_qsl(parts.query)), shown
    )
