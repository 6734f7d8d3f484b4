"""The figure of `labelling_simulation.py`: shares of the limit by workers, and the validation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from racing.occupancy_plot import COLOURS

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM, COLUMNS = 440, 250, 52, 20, 40, 44, 2
STYLE = (
    "text{font:12px system-ui,-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;"
    "fill:#1c2430}.head{font-size:14px;font-weight:600}.dim{fill:#66707f}"
    ".grid{stroke:#dfe4ea;stroke-width:1}path{fill:none;stroke-width:1.8}"
)
TICKS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
Row = Mapping[str, Any]


def simulation_svg(rows: Sequence[Row], checked: Sequence[Row]) -> str:
    """Returns one <svg> element: a panel for every engine, and one for the predictions.

    Args:
        rows: Of the simulation, with "engine", "workers", "policy" and "of_limit".
        checked: Measured and predicted windows a second.
    """
    engines = list(dict.fromkeys(str(row["engine"]) for row in rows))
    policies = list(dict.fromkeys(str(row["policy"]) for row in rows))
    panels = [_panel(name, [r for r in rows if r["engine"] == name], policies) for name in engines]
    panels.append(_validation(checked))
    drawn = [
        f'<g transform="translate({WIDTH * (place % COLUMNS)},{HEIGHT * (place // COLUMNS)})">'
        f"{panel}</g>"
        for place, panel in enumerate(panels)
    ]
    width, height = WIDTH * COLUMNS, HEIGHT * -(-len(drawn) // COLUMNS)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img"><style>{STYLE}</style>'
        f'<rect width="{width}" height="{height}" fill="#fff"/>{"".join(drawn)}</svg>\n'
    )


def _panel(engine: str, rows: Sequence[Row], policies: Sequence[str]) -> str:
    most = math.log2(max(row["workers"] for row in rows)) or 1.0
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM

    def x(workers: int) -> float:
        return LEFT + math.log2(workers) / most * (right - LEFT)

    parts = [f'<text class="head" x="{LEFT}" y="20">{escape(engine)}</text>', _grid()]
    for workers in dict.fromkeys(int(row["workers"]) for row in rows):
        parts.append(f'<text class="dim" x="{x(workers):.1f}" y="{bottom + 18}" ')
        parts.append(f'text-anchor="middle">{workers}</text>')
    parts.append(f'<text class="dim" x="{LEFT}" y="{bottom + 36}">')
    parts.append("share of the engines' limit, by workers (simulated)</text>")
    names = list[str]()
    for number, policy in enumerate(policies):
        own = [row for row in rows if row["policy"] == policy]
        points = " L".join(f"{x(row['workers']):.1f},{_up(row['of_limit']):.1f}" for row in own)
        parts.append(f'<path stroke="{COLOURS[number]}" d="M{points}"/>')
        names.append(f'<tspan dx="{12 * bool(number)}" fill="{COLOURS[number]}">')
        names.append(f"{escape(policy)}</tspan>")
    parts.append(f'<text x="{LEFT}" y="36">{"".join(names)}</text>')
    return "".join(parts)


def _validation(checked: Sequence[Row]) -> str:
    right = WIDTH - RIGHT
    parts = [f'<text class="head" x="{LEFT}" y="20">predicted by measured</text>', _grid()]
    parts.append(f'<text class="dim" x="{LEFT}" y="{HEIGHT - BOTTOM + 36}">')
    parts.append("the smaller of both by the larger; 1 is exact</text>")
    step = (right - LEFT) / max(1, len(checked))
    for place, row in enumerate(checked):
        ratio = row["predicted"] / row["measured"]
        x = LEFT + step * (place + 0.5)
        value = min(ratio, 1 / ratio)
        said = escape(f"{row['system']}, {row['queries']} queries: {ratio:.2f}")
        parts.append(f'<circle cx="{x:.1f}" cy="{_up(value):.1f}" r="5" fill="{COLOURS[0]}">')
        parts.append(f"<title>{said}</title></circle>")
        parts.append(f'<text class="dim" transform="translate({x:.1f},{HEIGHT - BOTTOM - 8}) ')
        parts.append(f'rotate(-90)">{escape(row["system"])} {row["queries"]}</text>')
    return "".join(parts)


def _grid() -> str:
    parts = []
    for tick in TICKS:
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{_up(tick):.1f}" ')
        parts.append(f'y2="{_up(tick):.1f}"/><text class="dim" x="{LEFT - 8}" ')
        parts.append(f'y="{_up(tick) + 4:.1f}" text-anchor="end">{tick:g}</text>')
    return "".join(parts)


def _up(share: float) -> float:
    return HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - TOP)
