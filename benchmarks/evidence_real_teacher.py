"""What the evidence weights are worth with a real teacher's windows.

    RANKGEN_TEST_DATA=… python benchmarks/evidence_real_teacher.py [SEEDS [STEPS]]

The sentence embedder MiniLM orders the BM25 top 100 of DL19's and DL22's queries in windows of 20,
stride 10, one pass, so most pairs of a list were never in one window. A cross-encoder learns its
orders by RankNet over seen pairs, over those and what follows from them, or over all, and re-ranks
DL21's BM25 top 100; the teacher's own order of that, in the same windows, stands beside.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
from pathlib import Path

from real_rankings import Orders, joined_candidates, ndcg_of_students, rankgen
from results_file import write_results

from rankgen.students.choices import EVIDENCE_WEIGHTS

WINDOWS = ("--teacher", "minilm", "--window", "20", "--stride", "10")
RECIPE = {
    "passage_tokens": 64,
    "sample_size": 8,
    "sample_mode": "random",
    "frozen_layers": 2,
    "queries_per_step": 4,
    "learning_rate": 3e-4,
    "schedule": "linear",
    "warmup_steps": 20,
    "adam_beta2": 0.98,
    "gradient_clip": 1.0,
    "dropout": 0.0,
    "checkpoint_every": 1_000,
}


def main() -> None:
    """Measures, prints and writes the result."""
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    steps = int(sys.argv[2]) if len(sys.argv) > 2 else 150
    data = Path(os.environ["RANKGEN_TEST_DATA"])
    options = [f"--{name.replace('_', '-')}={value}" for name, value in RECIPE.items()]
    options += ["--backbone", "minilm", "--max-steps", str(steps)]
    figures: dict[str, list[float]] = {name: [] for name in EVIDENCE_WEIGHTS}
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        collections = (data / "msmarco-dl19", data / "msmarco-dl22")
        candidates = joined_candidates(
            [Orders(c, "first-stage.bm25") for c in collections], scratch
        )
        rankings = scratch / "rankings"
        rankgen("label", "--candidates", candidates, *WINDOWS, "--out", rankings)
        for seed in range(seeds):
            students = {name: scratch / f"{name}-{seed}" for name in EVIDENCE_WEIGHTS}
            for name, student in students.items():
                more = ("--evidence", name, "--seed", str(seed), "--out", student)
                rankgen("train-student", "--rankings", rankings, *options, *more)
            found = ndcg_of_students(data, list(students.values()), scratch, WINDOWS)
            for name, student in students.items():
                figures[name].append(found.pop(student.name))
            write(steps, found, figures)
            print(json.dumps({"seed": seed, **{n: v[-1] for n, v in figures.items()}}), flush=True)


def write(steps: int, beside: dict[str, float], figures: dict[str, list[float]]) -> None:
    """Writes what is known so far."""
    result = {
        "what": "nDCG@10 on DL21's BM25 top 100 of MiniLM students of a windowed teacher's orders",
        "seeds": len(next(iter(figures.values()))),
        "steps": steps,
        "recipe": RECIPE,
        "windows": WINDOWS,
        "weights": dict(EVIDENCE_WEIGHTS),
        "beside": beside,
        "nDCG@10": figures,
        "mean": {name: round(statistics.mean(values), 4) for name, values in figures.items()},
    }
    write_results("evidence_real_teacher", result)


if __name__ == "__main__":
    main()
