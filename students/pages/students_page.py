"""The page that compares students: evaluations of the same queries, and how trainings went."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from rankgen.manifests.errors import UsageError
from rankgen.students.agreement.compare import names_of
from rankgen.students.evaluation.joined import joined
from rankgen.students.evaluation.result import Evaluation
from rankgen.students.pages.blocks import Blocks
from rankgen.students.pages.evaluated import Evaluated, read_evaluation
from rankgen.students.pages.page_file import Written, write_page
from rankgen.students.pages.training import Training, recorded_training, training_of
from rankgen.students.suites.combined import SUITE_RESULT

# Rows of the table of queries, those whose systems differ most.
MOST_ROWS = 1_000


class QueryRow(NamedTuple):
    """A query: its value in every system, and how far the best is from the worst."""

    query_id: str
    values: tuple[float, ...]

    @property
    def spread(self) -> float:
        """The best value minus the worst."""
        return max(self.values) - min(self.values)


def hold_evaluations(folders: Sequence[Path]) -> bool:
    """Tells whether the folders are those of `rankgen evaluate`, rather than runs.

    Raises:
        UsageError: Some are and others are not.
    """
    return _hold(
        folders,
        ("evaluation.json", "an evaluation"),
        "name runs and add --evaluation FOLDER, or name evaluations alone",
    )


def hold_suites(folders: Sequence[Path]) -> bool:
    """Tells whether the folders are those of `rankgen evaluate --suite`.

    Raises:
        UsageError: Some are and others are not.
    """
    return _hold(folders, (SUITE_RESULT, "a suite"), "name suites alone")


def _hold(folders: Sequence[Path], what: tuple[str, str], hint: str) -> bool:
    """Tells whether all folders hold a file; `what` names it and the folders that do."""
    held = [(folder / what[0]).is_file() for folder in folders]
    if any(held) and not all(held):
        raise UsageError(
            f"{folders[held.index(True)]} is {what[1]} and {folders[held.index(False)]} is "
            "not, so that they have no page in common",
            hint,
        )
    return all(held)


def write_students_page(
    folders: Sequence[Path], students: Sequence[Path], out: Path
) -> tuple[Written, int]:
    """Writes report.html of evaluations side by side.

    Args:
        folders: What `rankgen evaluate` wrote; the first system of the first one is what the
            others are compared with.
        students: Students whose trainings are shown too, beside those that were evaluated.
        out: Where to.

    Returns:
        The page, and the number of queries.

    Raises:
        UsageError: The evaluations do not fit one another, or a student has no record.
        IntegrityProblem: An evaluation is damaged.
    """
    asked = [recorded_training(student) for student in students]
    names = names_of(folders)
    held = {name: read_evaluation(folder) for name, folder in zip(names, folders, strict=True)}
    evaluation = joined(held)
    trainings = tuple(_trainings(evaluation, asked))
    shown = Evaluated(evaluation, trainings)
    blocks = Blocks(out)
    charts = {
        "evaluated": shown.charts(),
        "trainings": [training.charts() for training in trainings],
    }
    blocks.add("charts", charts)
    measure = next(iter(evaluation.best))
    values = {
        "title": shown.headline,
        "evaluated": shown,
        "evaluations": names,
        "trainings": trainings,
        "rows": query_rows(evaluation, measure)[:MOST_ROWS],
        "measure": measure,
    }
    systems = [system.name for system in evaluation.systems]
    return write_page("students.html.j2", out, blocks, systems, values), evaluation.queries


def query_rows(evaluation: Evaluation, measure: str) -> list[QueryRow]:
    """Returns every query with its value in each system, the largest spread first."""
    columns = [evaluation.per_query[system.name][measure] for system in evaluation.systems]
    rows = [
        QueryRow(query_id, tuple(values))
        for query_id, *values in zip(evaluation.query_ids, *columns, strict=True)
    ]
    return sorted(rows, key=lambda row: -row.spread)


def _trainings(evaluation: Evaluation, asked: Sequence[Training]) -> Iterator[Training]:
    """Yields the trainings of the evaluated students whose folders are still there, and others."""
    seen = {training.name for training in asked}
    for system in evaluation.systems:
        found = training_of(Path(system.source)) if system.kind == "student" else None
        if found is not None and found.name not in seen:
            # Folders of several searches often have one name; the table tells them apart.
            yield found._replace(name=system.name)
    yield from asked
