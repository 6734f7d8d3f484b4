"""The rows of the table from the finished cells, and the table in Markdown."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from loss_grid.cells import BLOCKS, LABELS_FIRST, ORDER, PEER, Cell, Stage
from loss_grid.intervals import Bootstrap, Values
from loss_grid.training import MEASURE
from rankgen.students.evaluation.significance import holm, randomisation_test

# What all others are compared with, chosen before the first run: the paper's two stages.
REFERENCE = Cell(ORDER, (LABELS_FIRST, Stage("orders", "ranknet")))
SAMPLES = 10_000
Row = Mapping[str, Any]
HEAD = (
    "| kind | learned | nDCG@10, 95 % interval | over BM25 | over the reference | p (Holm) |\n"
    "|---|---|---|---|---|---|"
)
PEER_HEAD = (
    "| learned | rankgen | sentence-transformers | rankgen's lead | p | seconds a training |\n"
    "|---|---|---|---|---|---|"
)


def finished(state: Path, seeds: int) -> tuple[dict[Cell, list[Row]], list[str]]:
    """Returns the results of the cells that have every seed, and the names of the others."""
    found: dict[Cell, list[Row]] = {}
    missing = []
    for cell in (cell for block in BLOCKS for cell in block):
        files = [state / "cells" / f"{cell.key}.{seed}.json" for seed in range(seeds)]
        if all(file.exists() for file in files):
            found[cell] = [json.loads(file.read_text()) for file in files]
        else:
            done = sum(file.exists() for file in files)
            missing.append(f"{cell.system}: {cell.name} ({done} of {seeds} seeds)")
    return found, missing


def rows_of(found: Mapping[Cell, Sequence[Row]], first_stage: Mapping[str, float]) -> list[Row]:
    """Returns the rows, best first.

    Args:
        found: The results of each cell, one a seed.
        first_stage: nDCG@10 of BM25 by query.
    """
    values = {cell: _values(results, list(first_stage)) for cell, results in found.items()}
    bm25, reference = np.array(list(first_stage.values())), values[REFERENCE]
    draws = Bootstrap(*reference.shape)
    others = [cell for cell in values if cell.system != PEER and cell != REFERENCE]
    tests = [_p(reference, values[cell]) for cell in others]
    corrected = dict(zip(others, holm(tests), strict=True))
    rows = []
    for cell, own in values.items():
        peer = values.get(cell._replace(system=PEER)) if cell.system != PEER else None
        rows.append(
            {
                "family": cell.family,
                "learned": cell.name,
                "system": cell.system,
                MEASURE: draws.interval(own)._asdict(),
                "of_each_seed": [round(float(value), 4) for value in own.mean(axis=1)],
                "over_BM25": draws.interval(own - bm25)._asdict(),
                "over_reference": draws.interval(own - reference)._asdict(),
                "p_holm": corrected.get(cell),
                "over_sentence_transformers": None
                if peer is None
                else {**draws.interval(own - peer)._asdict(), "p": _p(peer, own)},
                "cpu_seconds": round(
                    statistics.median(sum(one["cpu_seconds"]) for one in found[cell]), 1
                ),
            }
        )
    return sorted(rows, key=lambda row: -row[MEASURE]["mean"])


def markdown(rows: Sequence[Row], first_stage: float, missing: Sequence[str]) -> str:
    """Returns the table of rankgen's students, and that of their counterparts beside them."""
    ours = [row for row in rows if row["system"] != PEER]
    theirs = {row["learned"]: row for row in rows if row["system"] == PEER}
    lines = [f"First stage, BM25: {first_stage:.4f}", "", HEAD]
    for row in ours:
        p = "reference" if row["p_holm"] is None else f"{row['p_holm']:.2g}"
        figures = [_shown(row[name]) for name in (MEASURE, "over_BM25", "over_reference")]
        lines.append(f"| {' | '.join([row['family'], row['learned'], *figures, p])} |")
    lines += ["", PEER_HEAD]
    for row in ours:
        if peer := theirs.get(row["learned"]):
            lead = row["over_sentence_transformers"]
            figures = [_shown(row[MEASURE]), _shown(peer[MEASURE]), _shown(lead)]
            spent = f"{row['cpu_seconds']:.0f} and {peer['cpu_seconds']:.0f}"
            shown = [row["learned"], *figures, f"{lead['p']:.2g}", spent]
            lines.append(f"| {' | '.join(shown)} |")
    if missing:
        lines += ["", "Not finished:", "", *(f"- {name}" for name in missing)]
    return "\n".join(lines) + "\n"


def _shown(interval: Mapping[str, float]) -> str:
    low, high = interval["low"], interval["high"]
    return f"{interval['mean']:.3f} [{low:.3f}, {high:.3f}]"


def _values(results: Sequence[Row], queries: Sequence[str]) -> Values:
    return np.array([[one[MEASURE][query] for query in queries] for one in results])


def _p(a: Values, b: Values) -> float:
    p = randomisation_test(a.mean(axis=0), b.mean(axis=0), SAMPLES, 0)
    return 1.0 if p is None else p
