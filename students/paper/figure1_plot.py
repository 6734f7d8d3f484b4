"""Figure 1 of arXiv 2405.07920 with one's own students: nDCG@10 by depth and by queries."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from rankgen.students.paper.ablation_plot import (
    BOTTOM,
    LEFT,
    PANEL_HEIGHT,
    PANEL_WIDTH,
    RIGHT,
    STYLE,
    TOP,
    pixels,
    short_number,
)
from rankgen.students.paper.measured import MEASURE
from rankgen.students.paper.reproduction import Reproduction
from rankgen.students.paper.ticks import round_ticks

COLOURS = ("#b3542e", "#09505f")
# Of the paper's lines and of one's own.
DASHES = {"paper": "2 3", "ours": ""}
_ROW = re.compile(r"(\d+) queries depth (\d+)")


class Point(NamedTuple):
    """A student of the figure."""

    queries: int
    depth: int
    values: tuple[float | None, ...]


class Line(NamedTuple):
    """One line of a panel: whose figures they are, of which column, by place on the axis."""

    whose: str
    column: int
    values: Mapping[int, float]


def figure1_svg(found: Reproduction) -> str:
    """Returns one <svg> element: by depth at the most queries, by queries at the greatest depth.

    The paper's lines are dotted, yours whole.
    """
    points = {"paper": _points(found.paper), "ours": _points(found.ours)}
    panels = [
        ("depth", _lines(points, by_depth=True)),
        ("training queries", _lines(points, by_depth=False)),
    ]
    shown = [v for _, lines in panels for line in lines for v in line.values.values()]
    ticks = round_ticks(min(shown), max(shown))
    drawn = [
        f'<g transform="translate({PANEL_WIDTH * place} 0)">'
        f"{_panel(axis, lines, ticks, found.columns)}</g>"
        for place, (axis, lines) in enumerate(panels)
    ]
    width = PANEL_WIDTH * len(panels)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {PANEL_HEIGHT}" '
        f'width="{width}" height="{PANEL_HEIGHT}" role="img" '
        f'aria-label="{MEASURE} by depth and by number of queries"><style>{STYLE}</style>'
        f'<rect width="{width}" height="{PANEL_HEIGHT}" fill="#ffffff"/>{"".join(drawn)}</svg>\n'
    )


def _points(rows: Mapping[str, Sequence[float | None]]) -> list[Point]:
    """Returns the rows that are students of parts of the set; others have no place on an axis."""
    found = [(_ROW.fullmatch(name), values) for name, values in rows.items()]
    return [Point(int(m[1]), int(m[2]), tuple(values)) for m, values in found if m is not None]


def _lines(points: Mapping[str, list[Point]], *, by_depth: bool) -> list[Line]:
    lines = []
    for whose, students in points.items():
        if not students:
            continue
        most = max(point.queries if by_depth else point.depth for point in students)
        for column in range(len(students[0].values)):
            values = {
                (point.depth if by_depth else point.queries): value
                for point in students
                if (point.queries if by_depth else point.depth) == most
                and (value := point.values[column]) is not None
            }
            if values:
                lines.append(Line(whose, column, dict(sorted(values.items()))))
    return lines


def _panel(axis: str, lines: Sequence[Line], ticks: Sequence[float], columns: Sequence[str]) -> str:
    places = sorted({place for line in lines for place in line.values})
    bottom = PANEL_HEIGHT - BOTTOM
    logs = [math.log(place) for place in places]
    across, up = pixels(logs, LEFT + 14, PANEL_WIDTH - RIGHT - 14), pixels(ticks, bottom, TOP)
    parts = [f'<text class="head" x="{LEFT}" y="20">{MEASURE} by {axis}</text>']
    parts += [
        f'<path class="grid" d="M{LEFT} {up(tick):.1f}H{PANEL_WIDTH - RIGHT}"/>'
        f'<text class="dim" x="{LEFT - 8}" y="{up(tick) + 4:.1f}" text-anchor="end">{tick:g}</text>'
        for tick in ticks
    ]
    parts += [
        f'<text class="dim" x="{across(math.log(place)):.1f}" y="{bottom + 18}" '
        f'text-anchor="middle">{short_number(place)}</text>'
        for place in places
    ]
    parts.append(_legend(lines, columns))
    parts += [_drawn(line, columns[line.column], axis, across, up) for line in lines]
    return "".join(parts)


def _drawn(
    line: Line,
    column: str,
    axis: str,
    across: Callable[[float], float],
    up: Callable[[float], float],
) -> str:
    points = [(across(math.log(place)), up(v), place, v) for place, v in line.values.items()]
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y, _, _ in points)
    colour = COLOURS[line.column % len(COLOURS)]
    dots = "".join(
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.2" fill="{colour}"><title>{line.whose}, {column}, '
        f"{axis} {place:,}: {value:.4f}</title></circle>"
        for x, y, place, value in points
    )
    return (
        f'<path class="line" stroke="{colour}" stroke-dasharray="{DASHES[line.whose]}" '
        f'd="M{path}"/>{dots}'
    )


def _legend(lines: Sequence[Line], columns: Sequence[str]) -> str:
    """Returns the row below the heading that names the lines, each as wide as its words."""
    parts, x = [], LEFT - 18.0
    for line in lines:
        words = f"{line.whose} {columns[line.column]}"
        parts.append(
            f'<path class="line" stroke="{COLOURS[line.column % len(COLOURS)]}" '
            f'stroke-dasharray="{DASHES[line.whose]}" d="M{x:.0f} 36h14"/>'
            f'<text x="{x + 18:.0f}" y="40" style="font-size:10px">{words}</text>'
        )
        x += 26 + 5.4 * len(words)
    return "".join(parts)
