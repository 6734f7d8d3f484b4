"""What vLLM says of itself, taken from the Prometheus metrics that it keeps in its process.

Their names are vLLM's public interface; its statistics loggers are not.
"""

from __future__ import annotations

_NAMES = {
    "vllm:num_requests_running": "engine_requests_running",
    "vllm:num_requests_waiting": "engine_requests_waiting",
    "vllm:kv_cache_usage_perc": "engine_kv_cache_usage",
    "vllm:num_preemptions": "engine_preemptions_total",
    "vllm:prompt_tokens": "prompt_tokens_total",
    "vllm:generation_tokens": "completion_tokens_total",
}


def engine_gauges() -> dict[str, float]:
    """Returns the values of the engine in this process, by names of `engines.gauges`."""
    from vllm.v1.metrics.reader import Counter as VllmCounter
    from vllm.v1.metrics.reader import Gauge, get_metrics_snapshot

    found: dict[str, float] = {}
    for metric in get_metrics_snapshot():
        name = _NAMES.get(metric.name)
        if name is not None and isinstance(metric, Gauge | VllmCounter):
            # One value for each engine, where there are several.
            found[name] = found.get(name, 0.0) + metric.value
    return found
