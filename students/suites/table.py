"""A suite's figures as a table for a terminal: tasks down, systems across."""

from __future__ import annotations

from rich import box
from rich.markup import escape
from rich.table import Table

from rankgen.students.evaluation.table import SIGNIFICANT, plain_lines
from rankgen.students.suites.combined import SuiteResult, SystemFigures


def suite_text(result: SuiteResult, width: int = 100) -> str:
    """Returns a table for each measure as plain text, with what a reader must know below."""
    lines: list[str] = []
    for measure in result.systems[0].figures:
        lines += [f"{measure} on {result.suite}", *plain_lines(_table(result, measure), width)]
        lines += _tests(result, measure)
    lines += [f"note: {notice}" for notice in result.notices]
    lines += [f"no figures for {task}: {reason}" for task, reason in result.failed.items()]
    return "\n".join(lines) + "\n"


def _table(result: SuiteResult, measure: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_footer=False)
    table.add_column("task", overflow="fold")
    table.add_column("queries", justify="right")
    for system in result.systems:
        table.add_column(escape(system.name), justify="right", overflow="fold")
    for task, queries in result.queries.items():
        values = [system.figures[measure][task] for system in result.systems]
        cells = [f"[bold]{v:.4f}[/bold]" if v == max(values) else f"{v:.4f}" for v in values]
        table.add_row(escape(task), f"{queries:,}", *cells)
    table.add_section()
    means = [system.means[measure] for system in result.systems]
    marked = [_marked(result, system, measure) for system in result.systems]
    cells = [
        f"[bold]{t}[/bold]" if v == max(means) else t for v, t in zip(means, marked, strict=True)
    ]
    table.add_row("mean of the tasks", "", *cells)
    unjudged = (f"{system.mean_unjudged:.1%}" for system in result.systems)
    table.add_row("unjudged in the top 10", "", *unjudged)
    return table


def _marked(result: SuiteResult, system: SystemFigures, measure: str) -> str:
    first = result.systems[0].name
    differs = any(
        (test.measure, test.a, test.b) == (measure, first, system.name)
        and test.p_holm is not None
        and test.p_holm < SIGNIFICANT
        for test in result.tests
    )
    return f"{system.means[measure]:.4f}" + ("†" if differs else "")


def _tests(result: SuiteResult, measure: str) -> list[str]:
    tests = [test for test in result.tests if test.measure == measure]
    if not tests:
        return []
    count = len(result.queries)
    if count == 1:
        return ["one task, so that nothing is tested over tasks"]
    return [
        f"† differs from {result.systems[0].name} over the {count} tasks (paired t-test, Holm over "
        f"m = {tests[0].m}, p < {SIGNIFICANT})"
    ]
