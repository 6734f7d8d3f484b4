"""A table of the paper with one's own figures, for a terminal and as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich import box
from rich.console import Group
from rich.markup import escape
from rich.table import Table

from rankgen.students.evaluation.table import SIGNIFICANT, plain_lines
from rankgen.students.paper.comparisons import DIFFERS, EQUIVALENT, NOT_WORSE
from rankgen.students.paper.measured import MEASURE
from rankgen.students.paper.reproduction import Means, Reproduction


def format_reproduction(found: Reproduction, width: int = 220) -> str:
    """Returns the tables and lists as plain text; your figures stand below the paper's."""
    rows: dict[str, list[str]] = {}
    for system in found.rows:
        if system in found.paper:
            rows[f"paper: {system}"] = [f"{value:.3f}" for value in found.paper[system]]
        if system in found.ours:
            rows[f"ours:  {system}"] = _own(found, system)
    tables = [_table(f"{found.name}: {found.about} ({MEASURE})", found.columns, rows)]
    if found.paper_means:
        heads = list(next(iter(found.paper_means.values())))
        named = {f"paper: {s}": means for s, means in found.paper_means.items()}
        named |= {f"ours:  {s}": means for s, means in found.our_means.items()}
        rows = {name: [_mean_cell(means, head) for head in heads] for name, means in named.items()}
        tables.append(_table("means over the columns", heads, rows))
    lines = plain_lines(Group(*tables), width)
    lines += _legend(found)
    lines += [f"note: {note}" for note in found.notes]
    lines += [f"missing: {sentence}" for sentence in found.missing]
    return "\n".join(lines)


def markdown(found: Reproduction) -> str:
    """Returns the table as Markdown: yours with the paper's in brackets.

    As in the paper, the highest of your figures in a column is bold, the second highest underlined.
    """
    heads = ["", *found.columns]
    lines = [f"{found.about} ({MEASURE}): ours (the paper's)", "", _row(heads)]
    lines.append(_row(["---", *["--:"] * len(found.columns)]))
    ranks = [_ranks([row[place] for row in found.ours.values()]) for place in _places(found)]
    for system in found.rows:
        cells = [_cell(found, system, place, ranks[place]) for place in _places(found)]
        lines.append(_row([system, *cells]))
    lines += ["", *(f"{line}  " for line in _legend(found))]
    lines += [f"- {note}" for note in (*found.notes, *found.missing)]
    return "\n".join(lines) + "\n"


def _places(found: Reproduction) -> range:
    return range(len(found.columns))


def _cell(found: Reproduction, system: str, place: int, ranks: Sequence[float]) -> str:
    own = found.ours.get(system)
    value = None if own is None else own[place]
    text = "-"
    if value is not None:
        text = f"{value:.3f}"
        if value == ranks[0]:
            text = f"**{text}**"
        elif value == ranks[1]:
            text = f"<u>{text}</u>"
        text += found.marks(system, found.columns[place])
    return f"{text} ({found.paper[system][place]:.3f})" if system in found.paper else text


def _ranks(values: Sequence[float | None]) -> tuple[float, float]:
    """Returns the highest and the second highest value; above 1 where there is none."""
    held = sorted({value for value in values if value is not None}, reverse=True)
    best, second, *_ = (*held, 2.0, 2.0)
    return best, second


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


def _own(found: Reproduction, system: str) -> list[str]:
    return [
        "-" if value is None else f"{value:.4f}{found.marks(system, column)}"
        for column, value in zip(found.columns, found.ours[system], strict=True)
    ]


def _legend(found: Reproduction) -> list[str]:
    """Returns what the marks mean, and how many tests they count."""
    if not found.comparisons:
        return []
    most = max(comparison.test.m for comparison in found.comparisons)
    return [
        f"{DIFFERS} differs from {found.reference} (paired t-test); {EQUIVALENT} is equivalent to "
        f"it, {NOT_WORSE} is not worse, within {found.margin:g} (two one-sided t-tests); each p < "
        f"{SIGNIFICANT} by Holm over the m = {most} tests of a column"
    ]


def _table(title: str, heads: Sequence[str], rows: Mapping[str, list[str]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title=title)
    table.add_column("system")
    for head in heads:
        table.add_column(head, justify="right")
    for system, cells in rows.items():
        table.add_row(escape(system), *cells)
    return table


def _mean_cell(means: Means, head: str) -> str:
    if head not in means:
        return "-"
    return f"{means[head]:.{0 if head == 'columns' else 3}f}"
