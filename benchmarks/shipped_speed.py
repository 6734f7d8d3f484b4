"""Scoring a student shipped in each format beside rankgen's own; what rounding costs in nDCG@10.

    RANKGEN_TEST_DATA=… python benchmarks/shipped_speed.py [ROUNDS [SCALE [FOLDER]]]

MiniLM learns SciFact's training labels and the orders of LLMs as in student_effectiveness.py (SCALE
multiplies the steps), cut after 32 and 256 tokens, and is shipped as ONNX in 32 bits, as int8 and
for OpenVINO. int8 is compared on all of DL21's BM25 top 100, the others, which score the same, on
the first of them. Then every system scores the same lists of DL19, one after the other in each
round: rankgen in 32 bits and in bf16, the shipped ones in batches of several sizes. Tokenisation is
not part of it: all would do the same. FOLDER keeps the student and the shipped folders, and what it
holds is not made again; with ROUNDS 0 nothing is timed.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from real_rankings import first_stage, label_lists, llm_rankings, rankgen
from results_file import write_results
from student_effectiveness import RECIPE, STAGES
from student_peers import PASSAGE_TOKENS, QUERY_TOKENS, token_list
from student_speed import peak_gflops, read_lists

from rankgen.students.model.hardware import choose_hardware
from rankgen.students.model.loading import load_cross_encoder
from rankgen.students.model.pair_template import Pair
from rankgen.students.model.scoring import score_each_pair
from rankgen.students.shipping.shipped_folder import RECORD
from rankgen.students.shipping.shipped_student import open_shipped

CHUNKS = (1_200, 2_400)
FORMATS = ("onnx", "onnx-int8", "openvino")
SCORED_LISTS = 1
OURS = "rankgen fp32"
Score = Callable[[list[Pair]], np.ndarray]


def train(data: Path, scratch: Path, scale: float) -> Path:
    """Trains MiniLM through both stages and returns the student's folder."""
    start, last = "minilm", scratch / f"student-{len(STAGES)}"
    if last.exists():
        return last
    sources = (label_lists(data, scratch), llm_rankings(data, scratch))
    for number, (rankings, stage) in enumerate(zip(sources, STAGES, strict=True), start=1):
        options = {**RECIPE, **stage, "passage_tokens": PASSAGE_TOKENS, "backbone": start}
        options["max_steps"] = max(1, round(int(str(stage["max_steps"])) * scale))
        words = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
        out = scratch / f"student-{number}"
        rankgen("train-student", "--rankings", rankings, *words, "--out", out)
        start = str(out)
    return Path(start)


def shipped(student: Path, data: Path, scratch: Path) -> dict[str, object]:
    """Ships the student in each format and returns what `rankgen ship` says of it."""
    told = {}
    qrels = data / "msmarco-dl21" / "qrels" / "full.trec"
    for form in FORMATS:
        out, values_file = scratch / form, scratch / f"{form}.json"
        if not values_file.exists():
            candidates = scratch / "dl21"
            if not candidates.exists():
                first_stage(data, "msmarco-dl21", candidates)
            words = ["--candidates", candidates, "--qrels", qrels, "--relevant-from", "2"]
            if form != "onnx-int8":
                words += ["--max-queries", "5"]
            more = ["--format", form, "--out", out, "--accept-loss", "--json"]
            values_file.write_text(rankgen("ship", student, *words, *more))
        told[form] = _kept(json.loads(values_file.read_text()))
    return told


def _kept(values: dict[str, Any]) -> dict[str, object]:
    names = ("weight_bits", "student_bytes", "graph_bytes", "export_difference", "quality")
    kept = {name: values[name] for name in names}
    quality, calibration = values["quality"], values["calibration"]
    kept["ndcg_difference"] = round(quality["shipped"] - quality["student"], 4)
    kept["calibration"] = calibration and calibration["brier_on_other_queries"]
    return kept


def _record(path: Path) -> dict[str, object]:
    """Returns what a folder records of itself, without what was asked for: paths are ours."""
    found = json.loads(path.read_text())
    return {name: value for name, value in found.items() if name not in ("asked", "figures")}


def systems(student: Path, scratch: Path) -> dict[str, Score]:
    """Returns what is timed, by name."""
    found: dict[str, Score] = {}
    encoder = load_cross_encoder(str(student))
    for precision in ("fp32", "bf16"):
        hardware = choose_hardware("cpu", precision)
        found[f"rankgen {precision}"] = lambda pairs, hardware=hardware: score_each_pair(
            encoder, pairs, hardware
        )
    for form in FORMATS:
        for chunk in CHUNKS:
            opened = open_shipped(str(scratch / form), "cpu", chunk)
            assert opened is not None
            found[f"{form}, batches of {chunk:,} tokens"] = lambda pairs, opened=opened: (
                score_each_pair(opened[0], pairs, opened[1])
            )
    return found


def measure(student: Path, data: Path, scratch: Path, rounds: int) -> dict[str, object]:
    """Interleaves the systems on the same pairs; CPU time tells more beside other work."""
    encoder = load_cross_encoder(str(student))
    lists = read_lists(data / "msmarco-dl19", SCORED_LISTS)
    pairs = [pair for ranked in lists for pair in token_list(encoder, ranked).pairs]
    timed = systems(student, scratch)
    wall: dict[str, list[float]] = {name: [] for name in timed}
    cpu: dict[str, list[float]] = {name: [] for name in timed}
    for score in timed.values():
        score(pairs[:50])
    for _ in range(rounds):
        for name, score in timed.items():
            began = time.perf_counter(), time.process_time()
            score(pairs)
            wall[name].append(time.perf_counter() - began[0])
            cpu[name].append(time.process_time() - began[1])
    return {
        name: {
            "pairs_per_second": round(len(pairs) / statistics.median(wall[name]), 1),
            "seconds": [round(value, 3) for value in wall[name]],
            "speed_over_rankgen_fp32": _ratio(wall[OURS], wall[name]),
            "best_round_over_best_of_rankgen_fp32": round(min(wall[OURS]) / min(wall[name]), 2),
            "cpu_time_over_rankgen_fp32": _ratio(cpu[OURS], cpu[name]),
        }
        for name in timed
    }


def _ratio(ours: list[float], theirs: list[float]) -> float:
    return round(statistics.median(a / b for a, b in zip(ours, theirs, strict=True)), 2)


def main() -> None:
    """Trains, ships, measures, prints and writes the result."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    scale = float(sys.argv[2]) if len(sys.argv) > 2 else 1.0
    data = Path(os.environ["RANKGEN_TEST_DATA"])
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(sys.argv[3]) if len(sys.argv) > 3 else Path(folder)
        scratch.mkdir(parents=True, exist_ok=True)
        student = train(data, scratch, scale)
        told = shipped(student, data, scratch)
        if rounds == 0:
            print(json.dumps(told, indent=2))
            return
        result = {
            "what": "MiniLM shipped in each format: nDCG@10 on DL21, and scoring on the CPU",
            "rounds": rounds,
            "scale": scale,
            "threads": torch.get_num_threads(),
            "packages": {name: version(name) for name in ("onnx", "onnxruntime", "openvino")},
            "cuts": [QUERY_TOKENS, PASSAGE_TOKENS],
            "record": _record(scratch / "onnx-int8" / RECORD),
            "shipped": told,
            "peak_gflops": {p: round(peak_gflops(p)) for p in ("fp32", "bf16")},
            "scoring": measure(student, data, scratch, rounds),
        }
    print(write_results("shipped_speed", result))


if __name__ == "__main__":
    main()
