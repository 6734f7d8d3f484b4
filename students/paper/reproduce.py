"""The paper's figures beside yours, with tests between yours, and what is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rankgen.manifests.errors import UsageError, did_you_mean
from rankgen.retrieval.collections.judgements import read_judgements
from rankgen.students.evaluation.equivalence import MARGIN
from rankgen.students.paper.comparisons import compare_systems
from rankgen.students.paper.means import (
    arithmetic_mean,
    geometric_mean,
    micro_mean,
    root_mean_square,
)
from rankgen.students.paper.measured import Measured, PerQuery
from rankgen.students.paper.measured_ablation import measure_ablation
from rankgen.students.paper.measured_evaluations import measure_evaluations
from rankgen.students.paper.measured_runs import measure_runs
from rankgen.students.paper.reproduction import Means, Reproduction
from rankgen.students.paper.tables import TABLES, TRACK_QUERIES, Column, PaperTable
from rankgen.students.paper.tirex import TASKS, dataset_of


@dataclass(frozen=True)
class Sources:
    """Where your figures come from.

    Attributes:
        qrels: Task -> judgements of its runs, a file or `irds:ID`.
        runs: System -> task -> TREC run.
        fetches: Whether to get judgements that `qrels` lacks, for tasks with a run, from
            ir_datasets.
        evaluations: Task -> folder of an evaluation.
        rows: Row of the table -> name of a system in the evaluations.
        ablation: Folder of an ablation.
        tests: Task -> name of one of the ablation's test sets.
        labelled_set: Whose students of the ablation; None where there is one set.
    """

    qrels: Mapping[str, Path] = field(default_factory=dict)
    runs: Mapping[str, Mapping[str, Path]] = field(default_factory=dict)
    fetches: bool = False
    evaluations: Mapping[str, Path] = field(default_factory=dict)
    rows: Mapping[str, str] = field(default_factory=dict)
    ablation: Path | None = None
    tests: Mapping[str, str] = field(default_factory=dict)
    labelled_set: str | None = None

    @property
    def tasks(self) -> list[str]:
        """Every task that is named."""
        of_runs = [task for of_system in self.runs.values() for task in of_system]
        return [*self.qrels, *of_runs, *self.evaluations, *self.tests]


def reproduce(
    name: str, sources: Sources, *, reference: str | None = None, margin: float = MARGIN
) -> Reproduction:
    """Puts your figures beside the paper's, and tests them against one of your own.

    Args:
        name: table1, table2 or figure1.
        sources: Your figures.
        reference: Your system that the others are tested against; None takes the table's own, or
            else the first.
        margin: Difference of nDCG@10 from which on a system counts as worse, above 0.

    Raises:
        UsageError: There is no such table, task or system, a file is unusable, or a figure is from
            another first stage than its column.
        IntegrityProblem: An evaluation or an ablation is damaged.
        EnvironmentProblem: ir_datasets is missing or cannot obtain judgements.
    """
    table, known = _table(name, sources.tasks)
    measured, qrels = _measured(sources)
    values = measured.values
    ours = {
        system: tuple(_cell(column, values.get(system, {})) for column in table.columns)
        for system in dict.fromkeys([*sources.runs, *values])
    }
    filled = {system: row for system, row in ours.items() if row.count(None) < len(row)}
    against = _reference(table, reference, values)
    return Reproduction(
        name=name,
        about=table.about,
        columns=tuple(column.name for column in table.columns),
        paper=table.rows,
        paper_means={system: _paper_means(table, system) for system in table.printed_means},
        ours=ours,
        our_means={s: means_of(row) for s, row in filled.items()} if table.printed_means else {},
        reference=against,
        margin=margin,
        comparisons=()
        if against is None
        else tuple(compare_systems(table.columns, values, against, margin)),
        queries=_query_counts(values, [task for task in known if task in measured.tasks]),
        missing=(*measured.foreign, *_missing(known, qrels, sources, measured)),
        notes=(*table.notes, *_other_queries(values), *measured.notes),
    )


def _table(name: str, asked: Sequence[str]) -> tuple[PaperTable, list[str]]:
    """Returns a table of the paper, and its tasks, among which are those that are asked for."""
    if name not in TABLES:
        raise UsageError(f"there is no table or figure '{name}'", did_you_mean(name, TABLES))
    table = TABLES[name]
    known = [task for column in table.columns for task in column.tasks]
    for task in asked:
        if task not in known:
            raise UsageError(f"{name} has no task '{task}'", did_you_mean(task, known))
    return table, known


def _query_counts(
    values: Mapping[str, Mapping[str, PerQuery]], tasks: Sequence[str]
) -> dict[str, int]:
    """Returns task -> its queries, which are the same for every system that has figures of it."""
    return {task: len(next(of[task] for of in values.values() if task in of)) for task in tasks}


def _measured(sources: Sources) -> tuple[Measured, Mapping[str, Path]]:
    """Returns the values, and where judgements of runs are from."""
    measured, qrels = Measured(), dict(sources.qrels)
    if sources.fetches:
        asked = {task for of_system in sources.runs.values() for task in of_system}
        qrels = {task: Path(f"irds:{dataset_of(task)}") for task in asked} | qrels
    judged = {task: read_judgements(path) for task, path in qrels.items()}
    measure_runs(measured, sources.runs, qrels, judged)
    measure_evaluations(measured, sources.evaluations, sources.rows)
    if sources.ablation is not None:
        measure_ablation(measured, sources.ablation, sources.tests, sources.labelled_set)
    return measured, qrels


def _reference(
    table: PaperTable, asked: str | None, values: Mapping[str, Mapping[str, PerQuery]]
) -> str | None:
    if asked is not None and asked not in values:
        raise UsageError(
            f"there are no figures of '{asked}' to test the others against",
            did_you_mean(asked, values),
        )
    if asked is not None or len(values) < 2:
        return asked
    return table.reference if table.reference in values else next(iter(values))


def _other_queries(values: Mapping[str, Mapping[str, PerQuery]]) -> list[str]:
    """Returns a sentence on each task that has not as many queries as the paper's."""
    counts = {task: len(found) for of_task in values.values() for task, found in of_task.items()}
    expected = {task: TRACK_QUERIES.get(task.rpartition("/")[2]) for task in counts}
    return [
        f"{task}: the mean is over {count:,} judged queries, the paper's over {expected[task]}"
        for task, count in counts.items()
        if expected[task] not in (None, count)
    ]


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


def _cell(column: Column, values: Mapping[str, PerQuery]) -> float | None:
    if not all(task in values for task in column.tasks):
        return None
    own = {task: values[task] for task in column.tasks}
    if column.is_micro:
        return micro_mean(own)
    return arithmetic_mean([micro_mean({task: of_task}) for task, of_task in own.items()])


def _missing(
    tasks: Sequence[str], qrels: Mapping[str, Path], sources: Sources, measured: Measured
) -> list[str]:
    free = {task.dataset_id: task.has_free_documents for task in TASKS}
    systems = dict.fromkeys([*sources.runs, *measured.values])
    sentences = []
    for task in dict.fromkeys(tasks):
        is_judged = task in qrels or task in measured.tasks
        needs = [] if is_judged else [f"judgements (--fetch-qrels or --qrels {task}=FILE)"]
        if not systems:
            needs.append(f"a run (--run SYSTEM:{task}=FILE)")
        needs += [
            f"a run of {s} (--run '{s}:{task}=FILE')"
            for s in systems
            if task not in sources.runs.get(s, {}) and task not in measured.values.get(s, {})
        ]
        if needs:
            licence = "" if free.get(task, True) else "; its documents need a licence"
            sentences.append(f"{task}: {' and '.join(needs)}{licence}")
    return sentences
