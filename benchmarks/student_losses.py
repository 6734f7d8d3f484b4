"""Score-based, rank-based and combined losses on real supervision, in one table with intervals.

    RANKGEN_TEST_DATA=… OMP_NUM_THREADS=1 python benchmarks/student_losses.py [STATE]
                                                 [--seeds 3] [--steps 200] [--report]

A MiniLM of three layers with a fresh head learns from SciFact's training labels, from the orders of
LLMs, or from the scores of retrieval models (`loss_grid/sources.py`), by one loss or by two in turn
(`loss_grid/cells.py`), always in the same number of steps of the same size, at one learning rate,
without any selection, and re-ranks DL21's BM25 top 100. sentence-transformers is shown the same
lists. STATE keeps every finished cell, so that a run that is interrupted goes on; --report writes
the table of what is finished and trains nothing. The result goes to
benchmarks/results/student_losses.json, .md and .svg. About an hour of one thread.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
from pathlib import Path
from typing import cast

import torch
from loss_grid.cells import BLOCKS
from loss_grid.plot import losses_svg
from loss_grid.sources import SCORED, prepare
from loss_grid.table import REFERENCE, finished, markdown, rows_of
from loss_grid.training import LAYERS, MEASURE, RECIPE, finish_cell, measured
from results_file import RESULTS, write_results

HOW_CHOSEN = (
    "The layers and the stage on labels were chosen on half of DL19's queries, held out of the "
    "training; before that, two students of layers 0, 2 and 5 without that stage had been measured "
    "on DL21 (0.20 and 0.22), which is why they were given up. No loss, rate or number of steps "
    "was chosen by any measurement."
)
STATE = Path(tempfile.gettempdir()) / "rankgen-student-losses"


def main() -> None:
    """Trains and measures what is missing, and writes the result."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("state", type=Path, nargs="?", default=STATE)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--report", action="store_true")
    options = parser.parse_args()
    data, state = Path(os.environ["RANKGEN_TEST_DATA"]), options.state
    torch.set_num_threads(1)
    for name in ("starts", "students", "cells"):
        (state / name).mkdir(parents=True, exist_ok=True)
    hold_recipe(state, options.steps)
    prepare(data, state)
    for block in () if options.report else BLOCKS:
        for seed in range(options.seeds):
            for cell in block:
                result = finish_cell(cell, seed, options.steps, data, state)
                values = cast(dict[str, float], result[MEASURE]).values()
                print(f"{cell.key} {seed} {statistics.fmean(values):.4f}", flush=True)
    report(data, state, options.seeds, options.steps)


def hold_recipe(state: Path, steps: int) -> None:
    """Ends the program where STATE holds cells of another recipe."""
    recipe = json.dumps({"steps": steps, "layers": LAYERS, **RECIPE})
    held = state / "recipe.json"
    if held.exists() and held.read_text() != recipe:
        raise SystemExit(f"{state} holds cells of another recipe: name another folder")
    held.write_text(recipe)


def report(data: Path, state: Path, seeds: int, steps: int) -> None:
    """Writes and prints the table of the cells that are finished."""
    found, missing = finished(state, seeds)
    first_stage = measured(None, data, state)
    bm25 = statistics.fmean(first_stage.values())
    rows = rows_of(found, first_stage)
    result = {
        "what": f"{MEASURE} on DL21's BM25 top 100 of three-layer MiniLM students, by loss",
        "seeds": seeds,
        "steps": steps,
        "recipe": RECIPE,
        "layers_kept": LAYERS,
        "scores_of": SCORED,
        "queries": len(first_stage),
        "intervals": "95 %, bootstrap over queries and seeds",
        "reference": REFERENCE.name,
        "how_chosen": HOW_CHOSEN,
        "BM25": round(bm25, 4),
        "rows": rows,
        "not_finished": missing,
    }
    write_results("student_losses", result)
    table = markdown(rows, bm25, missing)
    (RESULTS / "student_losses.md").write_text(table)
    (RESULTS / "student_losses.svg").write_text(losses_svg(rows, bm25))
    print(table)


if __name__ == "__main__":
    main()
