"""Live measurements of engines, under the names of the Prometheus metrics.

A name that ends in `_total` counts since the worker started; any other is the current value.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

GAUGES = {
    "prompt_tokens_total": "Tokens sent to the model.",
    "completion_tokens_total": "Tokens that the model wrote, unusable answers included.",
    "chains_in_flight": "Queries whose windows are being ranked, one after the other.",
    "chains_limit": "Queries that a worker ranks at once; under vLLM adapted to its queue.",
    "rate_limit_pauses_total": "Times that a server asked for a pause (status 429).",
    "server_requests_in_flight": "Requests that a server has not answered yet.",
    "engine_requests_running": "Requests that vLLM is working on.",
    "engine_requests_waiting": "Requests that wait for a place in vLLM's batch.",
    "engine_kv_cache_usage": "Used part of vLLM's KV cache, 0 to 1.",
    "engine_draft_tokens_total": "Guessed tokens of answers that vLLM checked; see --drafts.",
    "engine_drafts_kept_total": "Guessed tokens that were right.",
    "engine_preemptions_total": "Requests that vLLM postponed because the KV cache was full.",
}


@runtime_checkable
class Gauged(Protocol):
    """Anything that offers gauges."""

    def gauges(self) -> Mapping[str, float]:
        """Returns the current values, under the names of `GAUGES`."""


def gauges_of(thing: object) -> Mapping[str, float]:
    """Returns the gauges of `thing`; empty if it offers none."""
    return thing.gauges() if isinstance(thing, Gauged) else {}


def is_counter(name: str) -> bool:
    """Says whether a gauge counts since the worker started."""
    return name.endswith("_total")
