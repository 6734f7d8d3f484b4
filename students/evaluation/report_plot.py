"""The bar chart of an evaluation as inline SVG: means with their 95 % intervals."""

from __future__ import annotations

from collections.abc import Callable
from html import escape

from rankgen.students.evaluation.result import Evaluation, SystemResult

WIDTH, LABEL_WIDTH, VALUE_WIDTH = 900, 262, 70
# The number of characters that fit into the label's width in any common font.
LONGEST_NAME = 30
ROW_HEIGHT, TOP, BOTTOM = 34, 8, 30

# Returns the horizontal position in pixels of a value of the measure.
Scale = Callable[[float], float]


def bar_chart(evaluation: Evaluation, measure: str) -> str:
    """Returns one <svg> element with one bar for each system.

    The axis begins at zero unless a value is negative, so that the lengths of the bars compare.
    """
    shown = [system.measures[measure] for system in evaluation.systems]
    for system in evaluation.systems:
        shown += system.intervals[measure] or ()
    ticks = round_ticks(min(0.0, *shown), max(shown))
    room, span = WIDTH - LABEL_WIDTH - VALUE_WIDTH, (ticks[-1] - ticks[0]) or 1.0

    def scale(value: float) -> float:
        return LABEL_WIDTH + room * (value - ticks[0]) / span

    height = TOP + ROW_HEIGHT * len(evaluation.systems) + BOTTOM
    rows = [
        _row(system, measure, scale, TOP + ROW_HEIGHT * place)
        for place, system in enumerate(evaluation.systems)
    ]
    grid = [_tick(value, scale, height) for value in ticks]
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="{escape(measure)} of {len(rows)} systems">'
        f"{''.join(grid)}{''.join(rows)}</svg>"
    )


def _row(system: SystemResult, measure: str, scale: Scale, top: float) -> str:
    value = system.measures[measure]
    interval = system.intervals[measure]
    start, end = sorted((scale(0.0), scale(value)))
    middle = top + ROW_HEIGHT / 2
    known, whisker = "", ""
    if interval is not None:
        low, high = interval
        known = f", 95 % interval {low:.4f} to {high:.4f}"
        whisker = (
            f'<path class="interval" d="M{scale(low):.1f} {middle}H{scale(high):.1f}'
            f'M{scale(low):.1f} {middle - 4}v8M{scale(high):.1f} {middle - 4}v8"/>'
        )
    return (
        f"<g><title>{escape(system.name)}: {value:.4f}{known}</title>"
        f'<text class="name" x="{LABEL_WIDTH - 12}" y="{middle + 4}">'
        f"{escape(_short(system.name))}</text>"
        f'<rect class="{system.kind}" x="{start:.1f}" y="{top + 6}" '
        f'width="{end - start:.1f}" height="{ROW_HEIGHT - 12}" rx="3"/>'
        f'{whisker}<text class="value" x="{WIDTH - 8}" y="{middle + 4}">{value:.4f}</text></g>'
    )


def _short(name: str) -> str:
    """Cuts the middle out of a long name: run files differ at both ends."""
    if len(name) <= LONGEST_NAME:
        return name
    half = (LONGEST_NAME - 1) // 2
    return f"{name[:half]}…{name[-half:]}"


def _tick(value: float, scale: Scale, height: float) -> str:
    x = scale(value)
    return (
        f'<path class="grid" d="M{x:.1f} {TOP}V{height - BOTTOM}"/>'
        f'<text class="tick" x="{x:.1f}" y="{height - 10}">{value:g}</text>'
    )


def round_ticks(low: float, high: float) -> list[float]:
    """Returns round numbers that cover [low, high] in four to ten steps."""
    span = (high - low) or 1.0
    step = 10.0**-8
    while span / step > 10:
        step *= 2 if str(f"{step:e}")[0] in "15" else 2.5
    first, count = int(low // step), 0
    while (first + count) * step < high - 1e-12:
        count += 1
    return [round((first + place) * step, 10) for place in range(count + 1)]
