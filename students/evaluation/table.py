"""The evaluation as a table for a terminal."""

from __future__ import annotations

import io

from rich import box
from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.table import Table

from rankgen.students.evaluation.columns import shown_columns
from rankgen.students.evaluation.result import Evaluation
from rankgen.students.evaluation.significance import PairedTest

SIGNIFICANT = 0.05


def evaluation_table(evaluation: Evaluation) -> Group:
    """Returns a table with one row for each system; the best mean of each measure is bold.

    A dagger marks a system that differs from the first one (Holm, p < 0.05).
    """
    columns = shown_columns(evaluation)
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("system", overflow="fold")
    table.add_column("kind")
    for head in [*evaluation.best, *(column.head for column in columns)]:
        table.add_column(head, justify="right")
    for system in evaluation.systems:
        cells = []
        for measure, best in evaluation.best.items():
            value = system.measures[measure]
            mark = "†" if differs_from_first(evaluation, system.name, measure) else " "
            text = f"{value:.4f}{mark}"
            cells.append(f"[bold]{text}[/bold]" if value == best else text)
        cells += [column.cell(system) for column in columns]
        table.add_row(escape(system.name), system.kind, *cells)
    return Group(table, _caption(evaluation))


def format_table(evaluation: Evaluation, width: int = 100) -> str:
    """Returns the table as plain text without colour, and the notices below it."""
    lines = plain_lines(evaluation_table(evaluation), width)
    lines += [f"note: {notice}" for notice in evaluation.notices]
    return "\n".join(lines) + "\n"


def plain_lines(shown: RenderableType, width: int) -> list[str]:
    """Returns what rich shows as lines of plain text, at most `width` characters each."""
    text = io.StringIO()
    Console(file=text, width=width, no_color=True, highlight=False).print(shown)
    return [line.rstrip() for line in text.getvalue().splitlines()]


def differs_from_first(evaluation: Evaluation, name: str, measure: str) -> bool:
    """Says whether a system differs from the first one by the Holm-corrected t-test."""
    test = test_against_first(evaluation, name, measure)
    return test is not None and test.p_holm is not None and test.p_holm < SIGNIFICANT


def test_against_first(evaluation: Evaluation, name: str, measure: str) -> PairedTest | None:
    """Returns the test of a system against the first one, or None for the first one itself."""
    first = evaluation.systems[0].name
    for test in evaluation.tests:
        if (test.measure, test.a, test.b) == (measure, first, name):
            return test
    return None


def _caption(evaluation: Evaluation) -> str:
    is_one = evaluation.queries == 1
    text = (
        "of one query, so that nothing is tested"
        if is_one
        else f"means over {evaluation.queries:,} queries"
    )
    if any(system.missing_queries for system in evaluation.systems):
        text += ", where a query without a list counts 0"
    if evaluation.tests and not is_one:
        m = evaluation.tests[0].m
        first = evaluation.systems[0].name
        text += (
            f"; † differs from {escape(first)} "
            f"(paired t-test, Holm over m = {m} test{'s' * (m > 1)}, p < {SIGNIFICANT})"
        )
    return text
