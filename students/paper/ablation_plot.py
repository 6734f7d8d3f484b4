"""The figure of an ablation, as Figure 1 of arXiv 2405.07920: nDCG@10 by queries and by depth."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from rankgen.students.paper.ablation import MEASURE, Ablation
from rankgen.students.paper.ticks import round_ticks

PANEL_WIDTH, PANEL_HEIGHT = 430, 290
LEFT, RIGHT, TOP, BOTTOM = 58, 18, 58, 46
# Widest entry of the legend, and what its words take before and after the lines.
LEGEND_STEP, LEGEND_WORDS = 62, (54, 92)
# From few to many; a line's colour is its place between the two.
LIGHT, DARK = (158, 205, 190), (9, 62, 82)
STYLE = (
    "text{font:12px system-ui,-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;"
    "fill:#1c2430}.head{font-size:14px;font-weight:600}.dim{fill:#66707f}"
    ".grid{stroke:#dfe4ea;stroke-width:1}.base{stroke:#66707f;stroke-width:1.4;"
    "stroke-dasharray:5 4}.line{fill:none;stroke-width:2.2}"
)
Values = Mapping[int, float]


@dataclass(frozen=True)
class Panel:
    """One small chart.

    Attributes:
        title: Its heading.
        axis: What runs from left to right.
        legend: What its lines are, as "depth".
        lines: Depth or number of queries -> place on the axis -> value.
        baseline: Value of the first stage.
    """

    title: str
    axis: str
    legend: str
    lines: Mapping[int, Values]
    baseline: float


def ablation_svg(ablation: Ablation) -> str:
    """Returns one <svg> element: a row for each labelled set, a chart for each axis that varies.

    All charts share their vertical axis; the horizontal ones are logarithmic.
    """
    rows = [_panels(ablation, name) for name in ablation.first_stages]
    panels = [panel for row in rows for panel in row]
    shown = [
        value for panel in panels for values in panel.lines.values() for value in values.values()
    ]
    shown += [panel.baseline for panel in panels]
    ticks = round_ticks(min(shown, default=0.0), max(shown, default=1.0))
    width = PANEL_WIDTH * max(map(len, rows), default=1)
    height = PANEL_HEIGHT * max(len(rows), 1)
    drawn = [
        f'<g transform="translate({PANEL_WIDTH * column} {PANEL_HEIGHT * line})">'
        f"{_drawn(panel, ticks)}</g>"
        for line, row in enumerate(rows)
        for column, panel in enumerate(row)
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img" aria-label="{MEASURE} by number of queries and by depth">'
        f'<style>{STYLE}</style><rect width="{width}" height="{height}" fill="#ffffff"/>'
        f"{''.join(drawn)}</svg>\n"
    )


def _panels(ablation: Ablation, name: str) -> list[Panel]:
    """Returns the charts of one labelled set: by queries, by depth, or both."""
    depths, counts = ablation.depths(name), ablation.queries(name)
    values = {(d, q): ablation.mean(name, d, q) for d in depths for q in counts}
    base = ablation.baseline(name) or 0.0
    by_queries = {d: {q: v for q in counts if (v := values[d, q]) is not None} for d in depths}
    by_depth = {q: {d: v for d in depths if (v := values[d, q]) is not None} for q in counts}
    panels = [
        Panel(name, "training queries", "depth", by_queries, base),
        Panel(name, "depth", "queries", by_depth, base),
    ]
    # An axis with a single place shows nothing.
    return [p for p, axis in zip(panels, (counts, depths), strict=True) if len(axis) > 1] or panels[
        :1
    ]


def _drawn(panel: Panel, ticks: Sequence[float]) -> str:
    places = sorted({place for values in panel.lines.values() for place in values})
    bottom = PANEL_HEIGHT - BOTTOM
    across = pixels([math.log(place) for place in places], LEFT + 14, PANEL_WIDTH - RIGHT - 14)
    up = pixels(ticks, bottom, TOP)
    parts = [f'<text class="head" x="{LEFT}" y="20">{escape(panel.title)}: {MEASURE}</text>']
    for tick in ticks:
        parts.append(
            f'<path class="grid" d="M{LEFT} {up(tick):.1f}H{PANEL_WIDTH - RIGHT}"/>'
            f'<text class="dim" x="{LEFT - 8}" y="{up(tick) + 4:.1f}" text-anchor="end">'
            f"{tick:g}</text>"
        )
    for place in places:
        parts.append(
            f'<text class="dim" x="{across(math.log(place)):.1f}" y="{bottom + 18}" '
            f'text-anchor="middle">{short_number(place)}</text>'
        )
    middle = (LEFT + PANEL_WIDTH - RIGHT) / 2
    parts.append(
        f'<text class="dim" x="{middle}" y="{bottom + 36}" text-anchor="middle">'
        f"{panel.axis}</text>"
        f'<path class="base" d="M{LEFT} {up(panel.baseline):.1f}H{PANEL_WIDTH - RIGHT}">'
        f"<title>first stage: {panel.baseline:.4f}</title></path>"
    )
    colours = _colours(sorted(panel.lines))
    for number, values in sorted(panel.lines.items()):
        points = [(across(math.log(p)), up(v), p, v) for p, v in sorted(values.items())]
        parts.append(_line(panel, number, points, colours[number]))
    return "".join([*parts, _legend(panel, colours)])


def _line(
    panel: Panel, number: int, points: Sequence[tuple[float, float, int, float]], colour: str
) -> str:
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y, _, _ in points)
    dots = "".join(
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.6" fill="{colour}"><title>{panel.legend} '
        f"{number:,}, {panel.axis} {place:,}: {value:.4f}</title></circle>"
        for x, y, place, value in points
    )
    return f'<path class="line" stroke="{colour}" d="M{path}"/>{dots}'


def _legend(panel: Panel, colours: Mapping[int, str]) -> str:
    """Returns the row below the heading that names the lines."""
    parts = [f'<text class="dim" x="{LEFT}" y="40">{panel.legend}</text>']
    before, after = LEGEND_WORDS
    start, room = LEFT + before, PANEL_WIDTH - LEFT - before - after
    step = min(LEGEND_STEP, room / max(1, len(colours)))
    for place, (number, colour) in enumerate(sorted(colours.items())):
        x = round(start + step * place, 1)
        parts.append(
            f'<path class="line" stroke="{colour}" d="M{x} 36h16"/>'
            f'<text x="{x + 20}" y="40">{short_number(number)}</text>'
        )
    x = round(start + step * len(colours), 1)
    parts.append(
        f'<path class="base" d="M{x} 36h16"/><text class="dim" x="{x + 20}" y="40">first '
        "stage</text>"
    )
    return "".join(parts)


def _colours(numbers: Sequence[int]) -> dict[int, str]:
    """Returns a colour for each line, from light for the smallest number to dark."""
    span = max(len(numbers) - 1, 1)
    shares = {number: place / span for place, number in enumerate(numbers)}
    if len(numbers) == 1:
        shares = dict.fromkeys(numbers, 1.0)
    return {
        number: "#"
        + "".join(f"{round(a + (b - a) * share):02x}" for a, b in zip(LIGHT, DARK, strict=True))
        for number, share in shares.items()
    }


def pixels(values: Sequence[float], start: float, end: float) -> Callable[[float], float]:
    """Returns the pixel of a value: `start` for the smallest, `end` for the largest."""
    low, high = min(values), max(values)

    def scale(value: float) -> float:
        return (
            (start + end) / 2
            if high == low
            else start + (end - start) * (value - low) / (high - low)
        )

    return scale


def short_number(number: int) -> str:
    """Returns 10,000 as 10k."""
    return f"{number // 1000}k" if number >= 1000 and number % 1000 == 0 else str(number)
