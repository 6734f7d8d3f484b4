"""The figures of a race: medians of the rounds, and ratios within each round."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

MEDIANS = (
    "seconds",
    "windows_per_second",
    "outside_ms",
    "driver_ms",
    "ray_ms",
    "engine_ms",
    "running",
)
_FIRST = ("prompt_tokens", "output_tokens", "failed", "wall_seconds")
_MOST_SAMPLES = 150
Row = Mapping[str, Any]


def summary(rows: Sequence[Row]) -> dict[str, Any]:
    """Returns "sizes", "occupancy" of each first round, and all "rounds" without it.

    Args:
        rows: A row for every turn, with "system", "queries", "round" and what `measured` returns.
    """
    sizes = dict.fromkeys(row["queries"] for row in rows)
    return {
        "sizes": {str(size): _size([r for r in rows if r["queries"] == size]) for size in sizes},
        "occupancy": [
            {
                "system": row["system"],
                "queries": row["queries"],
                "samples": thinned(row["occupancy"], _MOST_SAMPLES),
            }
            for row in rows
            if row["round"] == 0
        ],
        "rounds": [{k: v for k, v in row.items() if k != "occupancy"} for row in rows],
    }


def _size(rows: Sequence[Row]) -> dict[str, Any]:
    found = dict[str, Any]()
    for system in dict.fromkeys(row["system"] for row in rows):
        own = [row for row in rows if row["system"] == system]
        figures = {name: round(statistics.median(row[name] for row in own), 3) for name in MEDIANS}
        figures |= {name: own[0][name] for name in _FIRST if name in own[0]}
        for other in ("rank-llm", "limit"):
            ratios = _ratios(own, [row for row in rows if row["system"] == other])
            if ratios and other != system:
                name = other.replace("-", "_")
                figures[f"times_{name}"] = round(statistics.median(ratios), 3)
                figures[f"times_{name}_in_rounds"] = [round(ratio, 3) for ratio in ratios]
        found[system] = figures
    return found


def _ratios(own: Sequence[Row], others: Sequence[Row]) -> list[float]:
    """Returns how many times as fast, in each round that both took part in."""
    seconds = {row["round"]: row["seconds"] for row in others}
    return [seconds[r["round"]] / r["seconds"] for r in own if r["round"] in seconds]


def thinned(samples: Sequence[Any], most: int) -> list[Any]:
    """Returns about so many of the samples, evenly over time."""
    step = -(-len(samples) // most) if samples else 1
    return list(samples[::step])
