"""The columns of an evaluation beside its measures; the terminal and the report show the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from rankgen.students.evaluation.cost import Cost
from rankgen.students.evaluation.result import Evaluation, SystemResult


class Column(NamedTuple):
    """A heading, and what returns a system's text below it: "" where there is nothing to show."""

    head: str
    cell: Callable[[SystemResult], str]


COLUMNS = (
    Column("queries missing", lambda system: str(system.missing_queries)),
    Column("parameters", lambda system: f"{system.cost.parameters:,}" if system.cost else ""),
    Column("ms/query", lambda system: f"{system.cost.ms_per_query:,.1f}" if system.cost else ""),
    Column("GPU GiB", lambda system: _gpu_gib(system.cost)),
)


def _gpu_gib(cost: Cost | None) -> str:
    held = None if cost is None else cost.peak_gpu_bytes
    return "" if held is None else f"{held / 2**30:.1f}"


def shown_columns(evaluation: Evaluation) -> list[Column]:
    """Returns the columns that say something of at least one system."""
    systems = evaluation.systems
    return [c for c in COLUMNS if any(c.cell(system) not in ("", "0") for system in systems)]
