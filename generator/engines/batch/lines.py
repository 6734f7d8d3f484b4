"""One line of a batch's output: an answer, a refusal, or nothing that was paid for."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

# Refusals of the moment: the request itself is fine.
_OF_THE_MOMENT = frozenset({408, 409, 425, 429})


class Line(NamedTuple):
    """What a batch says of one request.

    Attributes:
        name: The request's name.
        status: The status that a direct request would have had; None without a response.
        body: The body of that response.
        why: What the server says of a request without a response.
    """

    name: str
    status: int | None
    body: dict[str, Any]
    why: str = ""

    @property
    def is_final(self) -> bool:
        """Whether the request is answered or refused for good; others are asked again."""
        if self.status is None or self.status in _OF_THE_MOMENT:
            return False
        return self.status < 500

    def reason(self) -> str:
        """Returns why it is not final."""
        return self.why or f"status {self.status}"


def read_lines(content: bytes) -> Iterator[Line]:
    """Yields the readable lines of an output or error file, which are in any order."""
    # Not `splitlines`: texts may contain the line separators of Unicode.
    for raw in content.split(b"\n"):
        try:
            row = json.loads(raw)
            response, error = row.get("response") or {}, row.get("error") or {}
            status, body = response.get("status_code"), response.get("body")
            why = str(error.get("message") or error.get("code") or "no response")
            yield Line(
                str(row["custom_id"]),
                status if isinstance(status, int) else None,
                body if isinstance(body, dict) else {},
                "" if isinstance(status, int) else why,
            )
        except (ValueError, KeyError, TypeError, AttributeError):
            continue


def best_lines(lines: Iterable[Line]) -> dict[str, Line]:
    """Returns a line for each request: a final one if there is one."""
    found: dict[str, Line] = {}
    for line in lines:
        if line.name not in found or not found[line.name].is_final:
            found[line.name] = line
    return found
