"""TREC runs for a table of the paper, measured and checked as `evaluate` does it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rankgen.manifests.errors import UsageError
from rankgen.manifests.judged_queries import judged_without
from rankgen.manifests.trec import Qrels
from rankgen.students.evaluation.evaluate import evaluated
from rankgen.students.evaluation.result import Kind
from rankgen.students.evaluation.settings import EvaluationSettings
from rankgen.students.evaluation.systems import System, run_system
from rankgen.students.paper.measured import MEASURE, Measured

# The row whose runs the others re-rank.
FIRST_STAGE = "first stage"


def measure_runs(
    measured: Measured,
    runs: Mapping[str, Mapping[str, Path]],
    qrels: Mapping[str, Path],
    judged: Mapping[str, Qrels],
) -> None:
    """Adds what runs reach.

    Args:
        measured: Is added to.
        runs: System -> task -> TREC run.
        qrels: Task -> where its judgements are from.
        judged: Task -> its judgements; tasks without any are left out.

    Raises:
        UsageError: A file is unusable, or a run ranks passages that the first stage's run of the
            same task lacks.
    """
    for task in dict.fromkeys(task for files in runs.values() for task in files):
        if task not in judged:
            continue
        systems = []
        for name, files in runs.items():
            if task in files:
                systems += _read(name, files[task], task, judged[task], measured)
        if not systems:
            continue
        settings = EvaluationSettings(
            qrels=qrels[task],
            runs=tuple(Path(system.source) for system in systems),
            measures=(MEASURE,),
            compare="first",
            # Intervals and tests are of the table's columns, not of tasks.
            bootstrap_samples=100,
            randomisation_samples=100,
            out=Path(),
        )
        evaluation = evaluated(systems, judged[task], settings)
        for system in evaluation.systems:
            refuse_beyond(system.name, task, system.beyond_first_stage)
            values = evaluation.per_query[system.name][MEASURE]
            measured.add(system.name, task, dict(zip(evaluation.query_ids, values, strict=True)))
        measured.notes += [f"{task}: {notice}" for notice in evaluation.notices]


def refuse_beyond(system: str, task: str, lists: int) -> None:
    """Refuses a system that did not re-rank the first stage of a task.

    Raises:
        UsageError: Some of its lists hold passages that the first stage did not return.
    """
    if lists:
        raise UsageError(
            f"'{system}' for {task} is from another first stage: {lists:,} of its lists hold "
            f"passages that the first stage of {task} did not return",
            "name the run that re-ranks this first stage, or leave it out",
        )


def _read(name: str, path: Path, task: str, judged: Qrels, measured: Measured) -> list[System]:
    """Returns the system, or none where its run is on other queries: 0 would call it bad."""
    kind: Kind = "first-stage" if name == FIRST_STAGE else "run"
    system = run_system(path)._replace(name=name, kind=kind)
    if judged.keys() & system.scores.keys():
        return [system]
    lost = judged_without(sorted(judged), system.scores, str(path))
    measured.foreign.append(f"{task}: a run of {name} on this task's queries; {lost}")
    return []
