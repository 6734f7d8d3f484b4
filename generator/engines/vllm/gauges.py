"""Gauges of vLLM, read from the Prometheus metrics in its process.

The names of these metrics are a public interface of vLLM; its statistics loggers are not.
"""

from __future__ import annotations

_NAMES = {
    "vllm:num_requests_running": "engine_requests_running",
    "vllm:num_requests_waiting": "engine_requests_waiting",
    "vllm:kv_cache_usage_perc": "engine_kv_cache_usage",
    "vllm:num_preemptions": "engine_preemptions_total",
    "vllm:spec_decode_num_draft_tokens": "engine_draft_tokens_total",
    "vllm:spec_decode_num_accepted_tokens": "engine_drafts_kept_total",
    "vllm:prompt_tokens": "prompt_tokens_total",
    "vllm:generation_tokens": "completion_tokens_total",
}


def engine_gauges() -> dict[str, float]:
    """Returns the values of this process's engines, under the names of `engines.gauges`."""
    from vllm.v1.metrics.reader import Counter as VllmCounter
    from vllm.v1.metrics.reader import Gauge, get_metrics_snapshot

    found: dict[str, float] = {}
    for metric in get_metrics_snapshot():
        name = _NAMES.get(metric.name)
        if name is not None and isinstance(metric, Gauge | VllmCounter):
            # Several engines have a value each.
            found[name] = found.get(name, 0.0) + metric.value
    return found
