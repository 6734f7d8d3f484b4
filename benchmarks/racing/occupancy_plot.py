"""The figure of `labelling.py`: requests that the engines worked on over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from rankgen.students.paper.ticks import round_ticks

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640, 230, 52, 20, 40, 44
COLOURS = ("#1f5f8b", "#b5541c", "#7a7f87", "#2e7d4f", "#8a3a78")
STYLE = (
    "text{font:12px system-ui,-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;"
    "fill:#1c2430}.head{font-size:14px;font-weight:600}.dim{fill:#66707f}"
    ".grid{stroke:#dfe4ea;stroke-width:1}path{fill:none;stroke-width:1.6}"
)
Series = Mapping[str, Any]


def occupancy_svg(series: Sequence[Series]) -> str:
    """Returns one <svg> element with a panel for each number of queries.

    Args:
        series: "system", "queries" and "samples" (seconds, requests running, requests waiting).
    """
    systems = list(dict.fromkeys(str(one["system"]) for one in series))
    sizes = list(dict.fromkeys(int(one["queries"]) for one in series))
    panels = []
    for place, size in enumerate(sizes):
        own = [one for one in series if one["queries"] == size and one["samples"]]
        if own:
            panels.append(f'<g transform="translate(0,{HEIGHT * place})">')
            panels.append(_panel(size, own, systems) + "</g>")
    height = HEIGHT * len(sizes)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
        f'height="{height}" role="img"><style>{STYLE}</style>'
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>{"".join(panels)}</svg>\n'
    )


def _panel(size: int, series: Sequence[Series], systems: Sequence[str]) -> str:
    across = round_ticks(0.0, max(one["samples"][-1][0] for one in series))
    up = round_ticks(0.0, max(max(row[1] for row in one["samples"]) for one in series))
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM

    def x(value: float) -> float:
        return LEFT + value / across[-1] * (right - LEFT)

    def y(value: float) -> float:
        return bottom - value / up[-1] * (bottom - TOP)

    parts = [f'<text class="head" x="{LEFT}" y="22">{size} queries</text>']
    for tick in up:
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{right}" y1="{y(tick):.1f}" ')
        parts.append(f'y2="{y(tick):.1f}"/><text class="dim" x="{LEFT - 8}" ')
        parts.append(f'y="{y(tick) + 4:.1f}" text-anchor="end">{tick:g}</text>')
    for tick in across:
        parts.append(f'<text class="dim" x="{x(tick):.1f}" y="{bottom + 18}" ')
        parts.append(f'text-anchor="middle">{tick:g}</text>')
    parts.append(f'<text class="dim" x="{LEFT}" y="{bottom + 36}">')
    parts.append("requests that the engine works on, by seconds</text>")
    names = list[str]()
    for one in series:
        number = systems.index(str(one["system"]))
        points = " L".join(f"{x(row[0]):.1f},{y(row[1]):.1f}" for row in one["samples"])
        name = escape(str(one["system"]))
        parts.append(f'<path stroke="{COLOURS[number]}" d="M{points}"><title>{name}</title></path>')
        names.append(f'<tspan dx="16" fill="{COLOURS[number]}">{name}</tspan>')
    parts.append(f'<text x="{LEFT + 100}" y="22">{"".join(names)}</text>')
    return "".join(parts)
