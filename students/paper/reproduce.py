"""The paper's figures beside yours, and what is missing for the empty cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, JsonValue
from rich import box
from rich.console import Group
from rich.markup import escape
from rich.table import Table

from rankgen.manifests.errors import UsageError, did_you_mean
from rankgen.manifests.judged_queries import judged_without
from rankgen.manifests.trec import Qrels
from rankgen.retrieval.collections.judgements import read_judgements
from rankgen.students.evaluation.measures import PerQuery, mean, per_query
from rankgen.students.evaluation.systems import run_system
from rankgen.students.evaluation.table import plain_lines
from rankgen.students.paper.means import (
    arithmetic_mean,
    geometric_mean,
    micro_mean,
    root_mean_square,
)
from rankgen.students.paper.tables import TABLES, Column, PaperTable
from rankgen.students.paper.tirex import TASKS, dataset_of

MEASURE = "nDCG@10"
Means = dict[str, float]


class Reproduction(BaseModel):
    """A table of the paper with your figures.

    Attributes:
        name: table1, table2 or figure1.
        columns: Column heads from left to right.
        paper: System -> the paper's figures.
        paper_means: System -> means over the columns, printed and recomputed.
        ours: System -> your figures; None where something is missing.
        our_means: System -> means over the columns that your figures fill.
        missing: What the empty cells need, one sentence per task.
        notes: Notes that a reader needs.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    about: str
    columns: tuple[str, ...]
    paper: dict[str, tuple[float, ...]]
    paper_means: dict[str, Means]
    ours: dict[str, tuple[float | None, ...]]
    our_means: dict[str, Means]
    missing: tuple[str, ...]
    notes: tuple[str, ...]

    def as_json(self) -> dict[str, JsonValue]:
        """Returns the table as JSON values."""
        values: dict[str, JsonValue] = self.model_dump(mode="json")
        return values


def reproduce(
    name: str,
    qrels: Mapping[str, Path],
    runs: Mapping[str, Mapping[str, Path]],
    *,
    fetches: bool = False,
) -> Reproduction:
    """Measures runs and puts them beside the paper's figures.

    Args:
        name: table1, table2 or figure1.
        qrels: Task -> judgements, a file or `irds:ID`.
        runs: System -> task -> TREC run.
        fetches: Whether to get judgements that `qrels` lacks, for tasks with a run, from
            ir_datasets.

    Raises:
        UsageError: There is no such table or task, or a file is unusable.
        EnvironmentProblem: ir_datasets is missing or cannot obtain judgements.
    """
    if name not in TABLES:
        raise UsageError(f"there is no table or figure '{name}'", did_you_mean(name, TABLES))
    table = TABLES[name]
    known = [task for column in table.columns for task in column.tasks]
    for task in [*qrels, *(task for of_system in runs.values() for task in of_system)]:
        if task not in known:
            raise UsageError(f"{name} has no task '{task}'", did_you_mean(task, known))
    if fetches:
        asked = {task for of_system in runs.values() for task in of_system}
        qrels = {task: Path(f"irds:{dataset_of(task)}") for task in asked} | dict(qrels)
    judged = {task: read_judgements(path) for task, path in qrels.items()}
    ours: dict[str, tuple[float | None, ...]] = {}
    foreign: list[str] = []
    short: list[str] = []
    for system, files in runs.items():
        values, its_foreign, its_short = _measured(system, files, judged)
        ours[system] = tuple(_cell(column, values) for column in table.columns)
        foreign += its_foreign
        short += its_short
    filled = {system: row for system, row in ours.items() if row.count(None) < len(row)}
    return Reproduction(
        name=name,
        about=table.about,
        columns=tuple(column.name for column in table.columns),
        paper=table.rows,
        paper_means={system: _paper_means(table, system) for system in table.printed_means},
        ours=ours,
        our_means={s: means_of(row) for s, row in filled.items()} if table.printed_means else {},
        missing=(*foreign, *_missing(known, qrels, runs)),
        notes=(*table.notes, *short),
    )


def _measured(
    system: str, files: Mapping[str, Path], judged: Mapping[str, Qrels]
) -> tuple[PerQuery, list[str], list[str]]:
    """Returns a system's values by task, and sentences on foreign runs and on incomplete ones."""
    values: PerQuery = {}
    foreign: list[str] = []
    short: list[str] = []
    for task in (task for task in files if task in judged):
        scores, path = run_system(files[task]).scores, files[task]
        lost = judged_without(sorted(judged[task]), scores, str(path))
        if not judged[task].keys() & scores.keys():
            # A figure of 0 would suggest that the system is bad.
            foreign.append(f"{task}: a run of {system} on this task's queries; {lost}")
            continue
        if lost is not None:
            short.append(f"{task}, where a query without a list counts 0: {lost}")
        values[task] = per_query(judged[task], scores, [MEASURE])[MEASURE]
    return values, foreign, short


def means_of(row: tuple[float | None, ...]) -> Means:
    """Returns three means over the filled cells, and the number of these."""
    filled = [value for value in row if value is not None]
    return {
        "arithmetic mean": arithmetic_mean(filled),
        "root mean square": root_mean_square(filled),
        "geometric mean": geometric_mean(filled),
        "columns": float(len(filled)),
    }


def _paper_means(table: PaperTable, system: str) -> Means:
    arithmetic, printed = table.printed_means[system]
    return {
        'printed "A. Mean"': arithmetic,
        'printed "G. Mean"': printed,
        **means_of(table.rows[system]),
    }


def _cell(column: Column, values: Mapping[str, Mapping[str, float]]) -> float | None:
    if not all(task in values for task in column.tasks):
        return None
    own = {task: values[task] for task in column.tasks}
    if column.is_micro:
        return micro_mean(own)
    return arithmetic_mean([mean(of_task) for of_task in own.values()])


def _missing(
    tasks: list[str], qrels: Mapping[str, Path], runs: Mapping[str, Mapping[str, Path]]
) -> list[str]:
    free = {task.dataset_id: task.has_free_documents for task in TASKS}
    sentences = []
    for task in dict.fromkeys(tasks):
        needs = [] if task in qrels else [f"judgements (--fetch-qrels or --qrels {task}=FILE)"]
        if not runs:
            needs.append(f"a run (--run SYSTEM:{task}=FILE)")
        needs += [
            f"a run of {s} (--run '{s}:{task}=FILE')" for s, own in runs.items() if task not in own
        ]
        if needs:
            licence = "" if free.get(task, True) else "; its documents need a licence"
            sentences.append(f"{task}: {' and '.join(needs)}{licence}")
    return sentences


def format_reproduction(found: Reproduction, width: int = 220) -> str:
    """Returns the tables and lists as plain text."""
    rows = {f"paper: {s}": [f"{value:.3f}" for value in row] for s, row in found.paper.items()}
    for system, own in found.ours.items():
        rows[f"ours:  {system}"] = ["-" if value is None else f"{value:.4f}" for value in own]
    tables = [_table(f"{found.name}: {found.about} ({MEASURE})", found.columns, rows)]
    if found.paper_means:
        heads = list(next(iter(found.paper_means.values())))
        named = {f"paper: {s}": means for s, means in found.paper_means.items()}
        named |= {f"ours:  {s}": means for s, means in found.our_means.items()}
        rows = {name: [_mean_cell(means, head) for head in heads] for name, means in named.items()}
        tables.append(_table("means over the columns", heads, rows))
    lines = plain_lines(Group(*tables), width)
    lines += [f"note: {note}" for note in found.notes]
    lines += [f"missing: {sentence}" for sentence in found.missing]
    return "\n".join(lines)


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
