"""Round numbers for the axes of figures."""

from __future__ import annotations


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
