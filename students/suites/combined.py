"""The figures of a suite: a row for each system, a column for each task, and their mean."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Mapping

import numpy as np
from pydantic import BaseModel, ConfigDict, JsonValue

from rankgen.students.evaluation.result import Evaluation, SystemResult
from rankgen.students.evaluation.significance import PairedTest, paired_tests
from rankgen.students.paper.means import arithmetic_mean

# The file with the figures, in the folder of a suite.
SUITE_RESULT = "suite.json"
JUDGED = "Judged@10"
BASELINE = "no re-ranking"


class SystemFigures(BaseModel):
    """One system on all tasks.

    Attributes:
        name: "no re-ranking" for the first stages, or the student's name.
        source: The student's folder or model id; "" for the first stages.
        figures: measure -> task -> mean over the task's queries.
        means: measure -> mean over the tasks that have figures, each counting the same.
        unjudged: task -> share of its top 10 that nobody judged, from 0 to 1; the mean over the
            queries that have a list.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    source: str
    figures: dict[str, dict[str, float]]
    means: dict[str, float]
    unjudged: dict[str, float]

    @property
    def mean_unjudged(self) -> float:
        """The mean over tasks of `unjudged`."""
        return arithmetic_mean(list(self.unjudged.values()))


class SuiteResult(BaseModel):
    """All systems on all tasks.

    Attributes:
        suite: Its name or folder.
        systems: No re-ranking first, then the students.
        queries: task -> number of judged queries, in the order of the table.
        tests: Paired tests over tasks: the values are means of tasks, not of queries.
        failed: Tasks without figures, and why.
        notices: What a reader must know beside the figures, one sentence each.
        settings: The settings as JSON values.
        software: Versions of the packages that can change a figure.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    suite: str
    systems: tuple[SystemFigures, ...]
    queries: dict[str, int]
    tests: tuple[PairedTest, ...]
    failed: dict[str, str]
    notices: tuple[str, ...]
    settings: dict[str, JsonValue]
    software: dict[str, str]

    def as_tsv(self) -> str:
        """Returns a row for each system, task and measure, with a heading."""
        text = io.StringIO()
        writer = csv.writer(text, delimiter="\t", lineterminator="\n")
        writer.writerow(["system", "task", "measure", "value"])
        for system in self.systems:
            for measure, of_task in system.figures.items():
                writer.writerows((system.name, task, measure, v) for task, v in of_task.items())
                writer.writerow((system.name, "mean", measure, system.means[measure]))
            writer.writerows((system.name, t, "unjudged@10", v) for t, v in system.unjudged.items())
        return text.getvalue()


def combine(
    suite: str,
    evaluations: Mapping[str, Evaluation],
    failed: Mapping[str, str],
    *,
    compare_all: bool,
    settings: Mapping[str, JsonValue],
    notices: tuple[str, ...] = (),
) -> SuiteResult:
    """Puts the evaluations of a suite's tasks together.

    Args:
        suite: Its name or folder.
        evaluations: task -> its evaluation, in which the first system is the first stage and the
            others are the same students in every task; `JUDGED` is among the measures.
        failed: Tasks without an evaluation, and why.
        compare_all: Whether every pair of systems is tested, not only each student against no
            re-ranking.
        settings: For the record.
        notices: What holds for the suite as a whole.
    """
    some = next(iter(evaluations.values()))
    systems = tuple(_figures(place, evaluations) for place in range(len(some.systems)))
    pairs = list(itertools.combinations(range(len(systems)), 2))
    if not compare_all:
        pairs = [pair for pair in pairs if pair[0] == 0]
    tests: list[PairedTest] = []
    for measure in systems[0].figures:
        vectors = [
            (system.name, np.array(list(system.figures[measure].values()))) for system in systems
        ]
        tests += paired_tests(measure, vectors, pairs)
    told = [f"{task}: {line}" for task, found in evaluations.items() for line in found.notices]
    return SuiteResult(
        suite=suite,
        systems=systems,
        queries={task: evaluation.queries for task, evaluation in evaluations.items()},
        tests=tuple(tests),
        failed=dict(failed),
        notices=(*notices, *told),
        settings=dict(settings),
        software=some.software,
    )


def _figures(place: int, evaluations: Mapping[str, Evaluation]) -> SystemFigures:
    of_task = {task: evaluation.systems[place] for task, evaluation in evaluations.items()}
    first = next(iter(of_task.values()))
    figures = {
        measure: {task: system.measures[measure] for task, system in of_task.items()}
        for measure in first.measures
        if measure != JUDGED
    }
    return SystemFigures(
        name=BASELINE if place == 0 else first.name,
        source="" if place == 0 else first.source,
        figures=figures,
        means={
            measure: arithmetic_mean(list(found.values())) for measure, found in figures.items()
        },
        unjudged={
            task: _unjudged(system, evaluations[task].queries) for task, system in of_task.items()
        },
    )


def _unjudged(system: SystemResult, queries: int) -> float:
    """Returns the share without the queries that have no list, which count as judged 0."""
    held = queries - system.missing_queries
    return 1 - system.measures[JUDGED] * queries / held if held else 0.0
