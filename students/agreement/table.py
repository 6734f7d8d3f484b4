"""A comparison as two tables for a terminal."""

from __future__ import annotations

from rich import box
from rich.markup import escape
from rich.table import Table

from rankgen.students.agreement.compare import Comparison
from rankgen.students.evaluation.table import plain_lines


def comparison_text(comparison: Comparison, width: int = 110) -> str:
    """Returns what each run cost and how far every two agree, as plain text."""
    lines = plain_lines(_runs(comparison), width) + plain_lines(_pairs(comparison), width)
    if any(pair.passages_left_out for pair in comparison.pairs):
        lines.append("note: passages that only one of two runs has are left out of their agreement")
    top = comparison.settings.top
    for pair in comparison.pairs:
        if pair.short_lists:
            lines.append(
                f"note: {pair.short_lists:,} of {pair.queries:,} queries of {pair.one} ~ "
                f"{pair.other} have at most {top} common passages, so their top {top} agrees "
                "whatever the orders (--top)"
            )
    return "\n".join(lines)


def _runs(comparison: Comparison) -> Table:
    heads = ("queries", "degraded", "windows", "tokens in", "tokens out", "pairs seen", "implied")
    table = _table("run", heads)
    for run in comparison.runs:
        counts = (run.queries, run.degraded, run.windows, run.prompt_tokens, run.output_tokens)
        shares = ("-", "-") if run.coverage is None else tuple(f"{s:.1%}" for s in run.coverage)
        table.add_row(escape(run.name), *(f"{count:,}" for count in counts), *shares)
    return table


def _pairs(comparison: Comparison) -> Table:
    settings = comparison.settings
    heads = (
        "queries",
        "tau",
        f"RBO p={settings.persistence:g}",
        f"top {settings.top}",
        "same order",
    )
    table = _table("agreement", heads)
    for pair in comparison.pairs:
        figures = (f"{value:.4f}" for value in (pair.tau, pair.rbo, pair.top))
        names = f"{escape(pair.one)} ~ {escape(pair.other)}"
        table.add_row(names, f"{pair.queries:,}", *figures, f"{pair.same:,}")
    return table


def _table(first: str, heads: tuple[str, ...]) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column(first, overflow="fold")
    for head in heads:
        table.add_column(head, justify="right")
    return table
