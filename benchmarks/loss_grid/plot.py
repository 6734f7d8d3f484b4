"""The picture of `student_losses.py`: every student's nDCG@10 with its interval, best on top."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape

from loss_grid.cells import ALONE, BOTH, ORDER, PEER, SCORES
from loss_grid.table import Row
from loss_grid.training import MEASURE
from rankgen.students.paper.ticks import round_ticks

WIDTH, LEFT, RIGHT, TOP, LINE = 860, 390, 20, 56, 22
COLOURS = {ALONE: "#7a7f87", SCORES: "#b5541c", ORDER: "#1f5f8b", BOTH: "#2e7d4f"}
STYLE = (
    "text{font:12px system-ui,-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;"
    "fill:#1c2430}.head{font-size:14px;font-weight:600}.dim{fill:#66707f}"
    ".grid{stroke:#dfe4ea;stroke-width:1}.first{stroke:#66707f;stroke-dasharray:4 3}"
)


def losses_svg(rows: Sequence[Row], first_stage: float) -> str:
    """Returns one <svg> element; hollow dots are sentence-transformers.

    Args:
        rows: Of the table, from top to bottom.
        first_stage: nDCG@10 of BM25, a dashed line.
    """
    lows = [row[MEASURE]["low"] for row in rows]
    highs = [row[MEASURE]["high"] for row in rows]
    ticks = round_ticks(min(*lows, first_stage), max(*highs, first_stage))
    bottom = TOP + LINE * len(rows)
    height = bottom + 64

    def x(value: float) -> float:
        return LEFT + (value - ticks[0]) / (ticks[-1] - ticks[0]) * (WIDTH - RIGHT - LEFT)

    parts = [f'<text class="head" x="20" y="24">{MEASURE} on DL21, 95 % over queries and seeds']
    parts.append(" (hollow: sentence-transformers; dashed: BM25)</text>")
    for tick in ticks:
        parts.append(f'<line class="grid" x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="{TOP - 10}" ')
        parts.append(f'y2="{bottom}"/><text class="dim" x="{x(tick):.1f}" y="{bottom + 18}" ')
        parts.append(f'text-anchor="middle">{tick:g}</text>')
    at = x(first_stage)
    parts.append(f'<line class="first" x1="{at:.1f}" x2="{at:.1f}" y1="{TOP - 10}" y2="{bottom}"/>')
    parts += [_row(row, TOP + LINE * place, x) for place, row in enumerate(rows)]
    parts.append(_legend(bottom + 46))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
        f'height="{height}" role="img"><style>{STYLE}</style>'
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>{"".join(parts)}</svg>\n'
    )


def _row(row: Row, y: int, x: Callable[[float], float]) -> str:
    found, colour = row[MEASURE], COLOURS[row["family"]]
    inside = "#fff" if row["system"] == PEER else colour
    low, high, mean = (x(found[name]) for name in ("low", "high", "mean"))
    return (
        f'<text x="{LEFT - 12}" y="{y + 4}" text-anchor="end">{escape(row["learned"])}</text>'
        f'<line x1="{low:.1f}" x2="{high:.1f}" y1="{y}" y2="{y}" stroke="{colour}"/>'
        f'<circle cx="{mean:.1f}" cy="{y}" r="4.5" fill="{inside}" stroke="{colour}"/>'
    )


def _legend(y: int) -> str:
    parts = []
    for place, (family, colour) in enumerate(COLOURS.items()):
        left = 24 + 165 * place
        parts.append(f'<circle cx="{left}" cy="{y - 4}" r="4.5" fill="{colour}"/>')
        parts.append(f'<text x="{left + 10}" y="{y}">{escape(family)}</text>')
    return "".join(parts)
