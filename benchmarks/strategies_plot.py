"""The figure of `strategies.py`: quality by passages shown, a panel for each teacher."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import cast

from rankgen.students.paper.ticks import round_ticks

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM, COLUMNS = 430, 270, 52, 20, 40, 44, 2
COLOURS = (
    "#7a7f87",
    "#1f5f8b",
    "#5b9bd5",
    "#9cc3e6",
    "#b5541c",
    "#e59866",
    "#2e7d4f",
    "#7fbf95",
    "#7b3fa0",
    "#b98fd0",
)
STYLE = (
    "text{font:12px system-ui,-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;"
    "fill:#1c2430}.head{font-size:14px;font-weight:600}.dim{fill:#66707f}"
    ".grid{stroke:#dfe4ea;stroke-width:1}"
)
SHOWN = (100, 200, 500, 1000)
Row = Mapping[str, object]


def strategies_svg(rows: Sequence[Row], measure: str) -> str:
    """Returns one <svg> element; the horizontal axes are logarithmic and all are shared.

    Args:
        rows: Of the table, with "teacher", "strategy", "passages_shown" and the measure.
        measure: The measure from bottom to top.
    """
    teachers = list(dict.fromkeys(str(row["teacher"]) for row in rows))
    names = list(dict.fromkeys(str(row["strategy"]) for row in rows))
    values = [cast(float, row[measure]) for row in rows]
    ticks = round_ticks(min(values), max(values))
    panels = [
        _panel(teacher, [r for r in rows if r["teacher"] == teacher], measure, ticks, names)
        for teacher in teachers
    ]
    drawn = [
        f'<g transform="translate({WIDTH * (place % COLUMNS)},{HEIGHT * (place // COLUMNS)})">'
        f"{panel}</g>"
        for place, panel in enumerate([*panels, _legend(names)])
    ]
    width, height = WIDTH * COLUMNS, HEIGHT * -(-len(drawn) // COLUMNS)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img"><style>{STYLE}</style>'
        f'<rect width="{width}" height="{height}" fill="#fff"/>{"".join(drawn)}</svg>\n'
    )


def _panel(
    teacher: str, rows: Sequence[Row], measure: str, ticks: Sequence[float], names: Sequence[str]
) -> str:
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    parts = [f'<text class="head" x="{LEFT}" y="22">{escape(teacher)}</text>']
    for tick in ticks:
        y = _up(tick, ticks)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>')
        label = f"{tick:g}"
        parts.append(f'<text class="dim" x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">')
        parts.append(f"{label}</text>")
    for shown in SHOWN:
        x = _across(shown)
        parts.append(f'<text class="dim" x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">')
        parts.append(f"{shown}</text>")
    caption = f"{measure} by passages shown to the teacher"
    parts.append(f'<text class="dim" x="{LEFT}" y="{bottom + 36}">{caption}</text>')
    for row in rows:
        x = _across(cast(float, row["passages_shown"]))
        y = _up(cast(float, row[measure]), ticks)
        colour, title = COLOURS[names.index(str(row["strategy"]))], escape(str(row["strategy"]))
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5.5" fill="{colour}">')
        parts.append(f"<title>{title}: {row[measure]}</title></circle>")
    return "".join(parts)


def _legend(names: Sequence[str]) -> str:
    parts = list[str]()
    for number, name in enumerate(names):
        y = TOP + 20 * number
        parts.append(f'<circle cx="{LEFT}" cy="{y}" r="5.5" fill="{COLOURS[number]}"/>')
        parts.append(f'<text x="{LEFT + 14}" y="{y + 4}">{escape(name)}</text>')
    return "".join(parts)


def _up(value: float, ticks: Sequence[float]) -> float:
    share = (value - ticks[0]) / (ticks[-1] - ticks[0])
    return HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - TOP)


def _across(shown: float) -> float:
    low, high = math.log(80), math.log(1500)
    return LEFT + (math.log(shown) - low) / (high - low) * (WIDTH - RIGHT - LEFT)
