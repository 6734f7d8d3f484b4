"""What engines say of themselves while they work, by name; the names of the Prometheus metrics.

A name that ends in `_total` counts since the worker started, any other is the value of the moment.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

GAUGES = {
    "prompt_tokens_total": "Tokens that the model was sent.",
    "completion_tokens_total": "Tokens that the model wrote, in answers that were no use too.",
    "rate_limit_pauses_total": "Times that a server asked for fewer requests (status 429).",
    "server_requests_in_flight": "Requests that a server has not answered yet.",
    "engine_requests_running": "Requests that vLLM works on.",
    "engine_requests_waiting": "Requests that wait for a place in vLLM's batch.",
    "engine_kv_cache_usage": "Part of vLLM's room for keys and values in use, 0 to 1.",
    "engine_preemptions_total": "Requests that vLLM put off because that room was full.",
}


@runtime_checkable
class Gauged(Protocol):
    """Something that says how it does."""

    def gauges(self) -> Mapping[str, float]:
        """Returns values of now, by names of `GAUGES`."""


def gauges_of(thing: object) -> Mapping[str, float]:
    """Returns the gauges of anything; nothing of what has none."""
    return thing.gauges() if isinstance(thing, Gauged) else {}


def is_counter(name: str) -> bool:
    """Says whether a gauge only grows."""
    return name.endswith("_total")
