"""Finished evaluations for a table of the paper, checked against the table's columns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from rankgen.manifests.errors import UsageError, did_you_mean
from rankgen.students.evaluation.result import Evaluation, SystemResult
from rankgen.students.pages.evaluated import read_evaluation
from rankgen.students.paper.measured import MEASURE, Measured
from rankgen.students.paper.measured_runs import FIRST_STAGE, refuse_beyond
from rankgen.students.paper.tables import FIRST_STAGES


def read_task(folder: Path, task: str) -> Evaluation:
    """Reads an evaluation, and refuses one that is not of the task.

    Raises:
        UsageError: The folder holds no evaluation, it lacks nDCG@10, or it re-ranked the candidates
            of another first stage than the task's.
        IntegrityProblem: It cannot be read.
    """
    evaluation = read_evaluation(folder)
    if MEASURE not in evaluation.systems[0].measures:
        raise UsageError(
            f"{folder} was not evaluated by {MEASURE}", f"evaluate it with --measure {MEASURE}"
        )
    retriever, wanted = _retriever(evaluation), FIRST_STAGES.get(task.partition("/")[0])
    known = set(FIRST_STAGES.values())
    if retriever in known and wanted in known and retriever != wanted:
        raise UsageError(
            f"{folder} cannot be {task}: it re-ranks the candidates of {retriever}, not of "
            f"{wanted}",
            f"name the evaluation of {wanted}'s candidates: --evaluation {task}=FOLDER",
        )
    return evaluation


def measure_evaluations(
    measured: Measured, folders: Mapping[str, Path], rows: Mapping[str, str]
) -> None:
    """Adds what the systems of evaluations reach.

    Args:
        measured: Is added to.
        folders: Task -> folder of its evaluation.
        rows: Row of the table -> the system's name in the evaluations; a system that no row names
            keeps its own, and a first stage is the row "first stage".

    Raises:
        UsageError: See `read_task`; or a row names a system that no evaluation has, two evaluations
            of one track were judged by different judgements, or a system did not re-rank the first
            stage.
        IntegrityProblem: An evaluation cannot be read.
    """
    found = {task: read_task(folder, task) for task, folder in folders.items()}
    _check_judgements(found)
    known = list(dict.fromkeys(s.name for e in found.values() for s in e.systems))
    named: dict[str, str] = {}
    for row, name in rows.items():
        if name not in known:
            raise UsageError(
                f"the row '{row}' names the system '{name}', which no evaluation has",
                did_you_mean(name, known),
            )
        if (other := named.setdefault(name, row)) != row:
            raise UsageError(
                f"the rows '{other}' and '{row}' name the same system '{name}'", "leave one out"
            )
    for task, evaluation in found.items():
        for system in evaluation.systems:
            add_system(measured, _row(system, named), task, evaluation, system)
        measured.notes += notes_of(task, evaluation)


def add_system(
    measured: Measured, row: str, task: str, evaluation: Evaluation, system: SystemResult
) -> None:
    """Adds one system of an evaluation, unless it did not re-rank the first stage.

    Raises:
        UsageError: It is from another first stage, or the row has another source already.
    """
    # A run beside the first stage is a baseline, or claims to re-rank it where a row says so.
    if system.kind == "teacher" or row != system.name:
        refuse_beyond(row, task, system.beyond_first_stage)
    values = evaluation.per_query[system.name][MEASURE]
    measured.add(row, task, dict(zip(evaluation.query_ids, values, strict=True)))


def notes_of(task: str, evaluation: Evaluation) -> Iterable[str]:
    """Returns what a reader must know of an evaluation beside its figures."""
    notes = [f"{task}: {notice}" for notice in evaluation.notices]
    if any(system.missing_queries for system in evaluation.systems):
        notes.append(f"{task}: a query without a list counts 0")
    depth = evaluation.settings.get("depth")
    if depth is not None:
        notes.append(f"{task}: students re-ranked the first {depth} candidates alone (--depth)")
    retriever, wanted = _retriever(evaluation), FIRST_STAGES.get(task.partition("/")[0])
    if wanted is not None and retriever != wanted:
        notes.append(
            f"{task}: its candidates are those of {retriever or 'an unknown first stage'}, not "
            f"{wanted}'s"
        )
    return notes


def _row(system: SystemResult, named: Mapping[str, str]) -> str:
    if system.name in named:
        return named[system.name]
    return FIRST_STAGE if system.kind == "first-stage" else system.name


def _retriever(evaluation: Evaluation) -> str | None:
    """Returns the name of the first stage whose candidates were re-ranked."""
    for system in evaluation.systems:
        found = re.match(r"first-stage \((.+?)\)", system.name)
        if system.kind == "first-stage" and found is not None:
            return found[1]
    return None


def _check_judgements(found: Mapping[str, Evaluation]) -> None:
    by_track: dict[str, tuple[str, object]] = {}
    for task, evaluation in found.items():
        track = task.rpartition("/")[2]
        digest = evaluation.settings.get("qrels_sha256")
        first, held = by_track.setdefault(track, (task, digest))
        if held != digest:
            raise UsageError(
                f"{first} and {task} were judged by different judgements",
                "evaluate both with the same --qrels",
            )
