"""Fifty label runs killed at seeded points and resumed; each must end in the untouched run's bytes.

    python benchmarks/kill_points.py [POINTS [SEED]]        or: make kill-storm

SIGKILL of a worker, of the driver, of a whole Ray node, and of whoever reaches a given step in the
run's folder: between any two steps of a commit. The checks are those of the tests
(tests/generator/kill_points.py); if one fails the exit code is 1.
"""

from __future__ import annotations

import itertools
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from results_file import write_results

HARNESS = Path(__file__).parents[1] / "tests" / "generator"
# Half of the points are steps, so that fifty reach every step of a commit.
TURNS = ("step", "worker", "step", "driver", "step", "node")


def main() -> None:
    """Kills, resumes, checks, and writes the result."""
    sys.path.insert(0, str(HARNESS))
    from kill_points import draw, kill_surely, untouched

    number = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 20260
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        folder = Path(name)
        whole = untouched(folder / "whole")
        kinds = list(itertools.islice(itertools.cycle(TURNS), number))
        for index, drawn in enumerate(draw(kinds, whole, seed)):
            try:
                point, cost = kill_surely(drawn, whole, folder / f"{index:02}")
                rows.append({"identical": True, **asdict(point), **asdict(cost)})
                rows[-1]["moved_forward"] = point != drawn
            except (AssertionError, TimeoutError) as error:
                rows.append({"identical": False, **asdict(drawn), "failure": str(error)})
            print(json.dumps(rows[-1]), flush=True)
            # As it goes, so that a soak that is stopped leaves what it has.
            write_result(rows, number, seed, whole.windows, len(whole.steps))
    if not all(row["identical"] for row in rows):
        raise SystemExit(1)


def write_result(
    rows: list[dict[str, Any]], planned: int, seed: int, windows: int, steps: int
) -> None:
    """Writes what is known so far."""
    died_at = {(row["step"]["role"], row["step"]["step"]) for row in rows if row["step"]}
    result = {
        "what": "label runs killed at seeded points and resumed by the same command: the shards "
        "against the untouched run's bytes, `rankgen verify --full`, and the windows asked twice",
        "seed": seed,
        "points_planned": planned,
        "points_fired": sum("dead" in row for row in rows),
        "points_identical": sum(row["identical"] for row in rows),
        "windows_of_a_run": windows,
        "most_windows_relabelled": max(row.get("relabelled", 0) for row in rows),
        "different_steps_died_at": len(died_at),
        "different_steps_of_a_run": steps,
        "each_point": rows,
    }
    write_results("kill_points", result)


if __name__ == "__main__":
    main()
