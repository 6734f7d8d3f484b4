"""Simulates labelling on 1 to 256 engines, with what `labelling.py` measured on one.

    python benchmarks/labelling_simulation.py

Reads results/labelling.json: prefill tokens a second, the length of a decoding step by its batch,
and each system's own processor time a window. First it predicts the measured rounds themselves,
which says how far the rest can be trusted. Then it goes on to more engines, and to GPUs whose rates
follow from their data sheets by the two assumptions below. Nothing was measured on these GPUs.

Results go to benchmarks/results/labelling_simulation.json and .svg.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from racing.feeding import Work
from racing.gpu import GPU_SHAPE
from racing.lists import STRIDE, WINDOW, WINDOWS_A_QUERY
from racing.simulated import EngineShape
from racing.simulation import Policy, simulate
from racing.simulation_plot import simulation_svg
from results_file import RESULTS, write_results

from rankgen.manifests.run.plan import default_shards

MEASURED = RESULTS / "labelling.json"
WORKERS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
# How windows are fed, whose processor time a window it costs, and shards (None for the default).
POLICIES: dict[str, tuple[Policy, str, int | None]] = {
    "rankgen": ("chains", "rankgen", None),
    "rankgen, 4 shards a worker": ("chains", "rankgen", 4),
    "lock-step": ("lock-step", "rank-llm", None),
    "queue of 32": ("queue of 32", "rank-llm", None),
}
QUERIES = 10_000
# A window of MS MARCO passages, as RankZephyr's tokenizer counts it: design of the paper's data.
PROMPT, SPREAD, ANSWER = 1_900.0, 150.0, 90
# Of the peak of matrix products while prompts are read, and of the memory's bandwidth in decoding.
COMPUTE_SHARE, MEMORY_SHARE = 0.5, 0.85
# TFLOPS in bfloat16 without sparsity, GB/s, GB: NVIDIA's data sheets.
GPUS = {
    "H100 80 GB": (989.0, 3350.0, 80.0),
    "A100 80 GB": (312.0, 2039.0, 80.0),
    "L40S 48 GB": (362.0, 864.0, 48.0),
    "L4 24 GB": (121.0, 300.0, 24.0),
}


def gpu_shape(tflops: float, bandwidth: float, memory: float) -> EngineShape:
    """Returns what vLLM would do with RankZephyr's model in bfloat16 on one GPU.

    Args:
        tflops: 10**12 operations a second.
        bandwidth: GB a second.
        memory: GB, of which vLLM takes nine tenths.
    """
    shape = GPU_SHAPE
    weights = 2.0 * (shape.layer_weights + 2 * shape.hidden * shape.vocabulary)
    kv_bytes = 2.0 * 2 * shape.layers * shape.kv_heads * shape.head
    reading = shape.reading(PROMPT) / PROMPT
    return EngineShape(
        prefill=COMPUTE_SHARE * tflops * 1e12 / reading,
        base=weights / (MEMORY_SHARE * bandwidth * 1e9),
        per_sequence=kv_bytes * (PROMPT + ANSWER / 2) / (MEMORY_SHARE * bandwidth * 1e9),
        # Two GB for what a step holds besides.
        kv_tokens=int((0.9 * memory * 1e9 - weights - 2e9) / kv_bytes),
        step_tokens=16_384 if memory >= 80 else 8_192,
    )


def measured_shape(calibration: Mapping[str, Any]) -> EngineShape:
    """Returns the engine that `labelling.py` measured; a step is a line through its batches."""
    steps = {int(batch): seconds for batch, seconds in calibration["step_seconds"].items()}
    slope, base = statistics.linear_regression(list(steps), list(steps.values()))
    if slope <= 0:
        raise SystemExit(f"{MEASURED}: larger batches were no slower; measure on a quiet machine")
    return EngineShape(
        prefill=calibration["prefill_tokens_per_second"],
        base=max(base, 0.0),
        per_sequence=slope,
        kv_tokens=calibration["kv_tokens"],
        most_sequences=calibration["most_sequences"],
        step_tokens=calibration["step_tokens"],
    )


def predictions(measured: Mapping[str, Any], shape: EngineShape) -> list[dict[str, Any]]:
    """Returns the windows a second that were measured, and that the simulation expects."""
    systems: dict[str, Policy] = {
        # The simulated engine checks no drafts.
        "rankgen --drafts off": "chains",
        "rank-llm": "lock-step",
        "limit": "all at once",
    }
    rows = []
    for size, figures in measured["sizes"].items():
        tokens = figures["limit"]["prompt_tokens"] / (int(size) * WINDOWS_A_QUERY)
        work = Work(int(size), WINDOWS_A_QUERY, tokens, tokens * 0.05, ANSWER)
        for system, policy in systems.items():
            host = figures[system]["outside_ms"] / 1000
            expected = simulate(policy, shape, work, 1, host).windows_per_second
            seen = figures[system]["windows_per_second"]
            rows.append(
                {
                    "queries": int(size),
                    "system": system,
                    "measured": round(seen, 2),
                    "predicted": round(expected, 2),
                    "off_by": round(expected / seen - 1, 3),
                }
            )
    return rows


def extended(
    name: str, shape: EngineShape, work: Work, hosts: Mapping[str, float], counts: Sequence[int]
) -> list[dict[str, Any]]:
    """Returns a row for every policy and number of workers."""
    rows = []
    for workers in counts:
        for said, (policy, system, shards) in POLICIES.items():
            many = max(workers * (shards or 0), default_shards(work.queries))
            asked = replace(work, shard=-(-work.queries // many))
            outcome = simulate(policy, shape, asked, workers, hosts[system])
            figures = {key: round(value, 4) for key, value in asdict(outcome).items()}
            rows.append({"engine": name, "workers": workers, "policy": said, **figures})
    return rows


def main() -> None:
    """Validates, extends, and writes result and picture."""
    measured = json.loads(Path(MEASURED).read_text())
    shape = measured_shape(measured["calibration"])
    checked = predictions(measured, shape)
    for row in checked:
        print(row, flush=True)
    largest = measured["sizes"][max(measured["sizes"], key=int)]
    hosts = {
        "rankgen": largest["rankgen --drafts off"]["outside_ms"] / 1000,
        "rank-llm": largest["rank-llm"]["outside_ms"] / 1000,
    }
    tokens = measured["calibration"]["prompt_tokens"]
    shapes = {"measured": (shape, Work(QUERIES, WINDOWS_A_QUERY, tokens, tokens * 0.05, ANSWER))}
    gpu_work = Work(QUERIES, WINDOWS_A_QUERY, PROMPT, SPREAD, ANSWER)
    shapes |= {name: (gpu_shape(*numbers), gpu_work) for name, numbers in GPUS.items()}
    rows = list[dict[str, Any]]()
    for name, (one, work) in shapes.items():
        rows += extended(name, one, work, hosts, WORKERS)
        print(name, "done", flush=True)
    result = {
        "queries": QUERIES,
        "window": WINDOW,
        "stride": STRIDE,
        "answer_tokens": ANSWER,
        "host_ms": {system: round(1000 * seconds, 3) for system, seconds in hosts.items()},
        "engines": {name: asdict(one) for name, (one, _) in shapes.items()},
        "validation": checked,
        "simulated": rows,
    }
    write_results("labelling_simulation", result)
    (RESULTS / "labelling_simulation.svg").write_text(simulation_svg(rows, checked))


if __name__ == "__main__":
    main()
