"""Students of real LLM rankings beside sentence-transformers: same lists, same budget, seeds.

    RANKGEN_TEST_DATA=… python benchmarks/student_effectiveness.py [SEEDS [SCALE]]

MiniLM learns SciFact's training labels by LCE, then the orders of LLMs by RankNet (see
real_rankings.py), each in a fixed number of steps without any selection, and re-ranks DL21's BM25
top 100. sentence-transformers starts from the same weights, with the same fresh head, and is shown
the very passages of every step, cut to as many tokens, under the same optimizer and schedule; what
differs is its code: losses, averages, tokenisation, forward pass. SCALE multiplies the steps.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from loss_grid.peer import Stage, train_theirs
from real_rankings import label_lists, llm_rankings, ndcg_of_students, rankgen
from results_file import write_results

from rankgen.students.model.loading import load_backbone

QUERY_TOKENS, PASSAGE_TOKENS = 32, 64
RECIPE: dict[str, object] = {
    "query_tokens": QUERY_TOKENS,
    "passage_tokens": PASSAGE_TOKENS,
    "frozen_layers": 2,
    "learning_rate": 3e-4,
    "schedule": "linear",
    "warmup_steps": 20,
    "adam_beta2": 0.98,
    "gradient_clip": 1.0,
    "dropout": 0.0,
    "queries_per_step": 4,
    "precision": "fp32",
    "checkpoint_every": 1_000,
}
STAGES: tuple[dict[str, object], ...] = (
    {"loss": "lce", "sample_size": 6, "sample_mode": "best", "max_steps": 40},
    {"loss": "ranknet", "sample_size": 6, "sample_mode": "spread", "max_steps": 260},
)


def write_start(folder: Path, seed: int) -> None:
    """Writes MiniLM with a fresh head, the same for both systems."""
    cuts = {"query_tokens": QUERY_TOKENS, "passage_tokens": PASSAGE_TOKENS}
    load_backbone("minilm", seed=seed, dropout=0.0, **cuts).save(folder)


def train_ours(stage: Stage, seed: int) -> None:
    """Trains by `rankgen train-student`."""
    options: list[str | Path] = ["--rankings", stage.rankings, "--backbone", stage.start]
    for name, value in stage.options.items():
        options.append(f"--{name.replace('_', '-')}={value}")
    rankgen("train-student", *options, "--seed", str(seed), "--out", stage.out)


SYSTEMS: dict[str, Callable[[Stage, int], None]] = {
    "rankgen": train_ours,
    "sentence-transformers": train_theirs,
}


def train(name: str, seed: int, sources: tuple[Path, ...], scratch: Path, scale: float) -> float:
    """Trains one student through both stages and returns the seconds."""
    start = scratch / f"start-{seed}"
    if not start.exists():
        write_start(start, seed)
    began = time.perf_counter()
    for number, (rankings, options) in enumerate(zip(sources, STAGES, strict=True), start=1):
        steps = max(1, round(int(str(options["max_steps"])) * scale))
        out = scratch / f"{name}-{seed}-{number}"
        SYSTEMS[name](Stage(start, rankings, out, {**RECIPE, **options, "max_steps": steps}), seed)
        start = out
    return time.perf_counter() - began


def main() -> None:
    """Trains, measures, prints and writes the result."""
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    scale = float(sys.argv[2]) if len(sys.argv) > 2 else 1.0
    data = Path(os.environ["RANKGEN_TEST_DATA"])
    figures: dict[str, list[float]] = {name: [] for name in SYSTEMS}
    seconds: dict[str, list[float]] = {name: [] for name in SYSTEMS}
    first_stage = 0.0
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        sources = (label_lists(data, scratch), llm_rankings(data, scratch))
        for seed in range(seeds):
            for name in SYSTEMS:
                seconds[name].append(train(name, seed, sources, scratch, scale))
            students = [scratch / f"{name}-{seed}-{len(STAGES)}" for name in SYSTEMS]
            found = ndcg_of_students(data, students, scratch)
            first_stage = found["BM25"]
            for name, student in zip(SYSTEMS, students, strict=True):
                figures[name].append(found[student.name])
            print(json.dumps({"seed": seed, **found}), flush=True)
    result = {
        "what": "MiniLM students of SciFact's labels and LLM orders: nDCG@10 on DL21",
        "seeds": seeds,
        "stages": [{**RECIPE, **options} for options in STAGES],
        "scale_of_steps": scale,
        "BM25": first_stage,
        "nDCG@10": figures,
        "mean": {name: round(statistics.mean(values), 4) for name, values in figures.items()},
        "seconds": {n: [round(value, 1) for value in values] for n, values in seconds.items()},
    }
    print(write_results("student_effectiveness", result))


if __name__ == "__main__":
    main()
