"""The students of an ablation as rows of the paper's Figure 1."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import ValidationError

from rankgen.manifests.errors import IntegrityProblem, UsageError, did_you_mean
from rankgen.students.evaluation.result import Evaluation
from rankgen.students.paper.ablation import Ablation, CellFigure
from rankgen.students.paper.measured import MEASURE, Measured, PerQuery
from rankgen.students.paper.measured_evaluations import notes_of, read_task

FIGURES = "ablation.json"


def cell_folder(out: Path, first_stage: str, depth: int | None, queries: int) -> Path:
    """Returns the folder of the students of one part of a labelled set."""
    return out / f"{first_stage}-depth{depth or 'all'}-queries{queries}"


def evaluation_folder(cell: Path, seed: int, test: str) -> Path:
    """Returns the folder of the evaluation of one student of a cell."""
    return cell / f"evaluation-seed{seed}-{test}"


def row_of(queries: int, depth: int) -> str:
    """Returns what a cell is called in Figure 1."""
    return f"{queries} queries depth {depth}"


def measure_ablation(
    measured: Measured, folder: Path, tests: Mapping[str, str], labelled_set: str | None
) -> None:
    """Adds the students of an ablation; those of several seeds are averaged query by query.

    Args:
        measured: Is added to.
        folder: A folder that `rankgen ablate` wrote.
        tests: Task -> name of the ablation's test set.
        labelled_set: Whose students; None where there is one set.

    Raises:
        UsageError: The folder holds no ablation, or a name is not one of its own.
        IntegrityProblem: It cannot be read.
    """
    ablation = read_ablation(folder)
    chosen = _chosen(ablation, folder, labelled_set)
    known = list(dict.fromkeys(figure.test for figure in ablation.figures))
    for task, test in tests.items():
        if test not in known:
            raise UsageError(
                f"the ablation {folder} has no test set '{test}' for {task}",
                did_you_mean(test, known),
            )
        cells: dict[tuple[int, int], list[CellFigure]] = {}
        for figure in ablation.figures:
            if (figure.first_stage, figure.test) == (chosen, test):
                cells.setdefault((figure.queries, figure.depth), []).append(figure)
        notes: dict[str, None] = {}
        for (queries, depth), figures in cells.items():
            found = [read_task(_folder(folder, figure), task) for figure in figures]
            _check_alike([_folder(folder, figure) for figure in figures], found)
            measured.add(row_of(queries, depth), task, _mean(found))
            notes |= dict.fromkeys(note for one in found for note in notes_of(task, one))
        measured.notes += notes
    measured.foreign += [f"{cell} has no figure: {why}" for cell, why in ablation.failed.items()]


def _folder(out: Path, figure: CellFigure) -> Path:
    cells = [
        cell_folder(out, figure.first_stage, depth, figure.queries)
        for depth in (figure.depth, None)
    ]
    cell = next((cell for cell in cells if cell.is_dir()), cells[0])
    return evaluation_folder(cell, figure.seed, figure.test)


def _check_alike(folders: Sequence[Path], evaluations: Sequence[Evaluation]) -> None:
    """Refuses seeds that were measured on other queries than the first, or by other judgements.

    Raises:
        UsageError: Some were, as where judgements changed between two commands.
    """
    first = evaluations[0]
    for folder, other in zip(folders, evaluations, strict=True):
        apart = sorted(set(first.query_ids) ^ set(other.query_ids))
        judged = [one.settings.get("qrels_sha256") for one in (first, other)]
        if not apart and judged[0] == judged[1]:
            continue
        why = f"other queries (such as {apart[0]})" if apart else "other judgements"
        raise UsageError(
            f"{folder} was measured by {why} than {folders[0].name}, so that they have no mean",
            "repeat the rankgen ablate command with all of its seeds",
        )


def _mean(evaluations: Sequence[Evaluation]) -> PerQuery:
    """Returns the students' mean value of each query."""
    columns = []
    for evaluation in evaluations:
        student = next(s.name for s in evaluation.systems if s.kind == "student")
        columns.append(evaluation.per_query[student][MEASURE])
    ids = evaluations[0].query_ids
    return {
        query: sum(values) / len(values)
        for query, values in zip(ids, zip(*columns, strict=True), strict=True)
    }


def read_ablation(folder: Path) -> Ablation:
    """Reads what `rankgen ablate` wrote into a folder.

    Raises:
        UsageError: The folder holds no ablation.
        IntegrityProblem: It cannot be read.
    """
    path = folder / FIGURES
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
        return Ablation(figures=held["figures"], failed=held["failed"])
    except FileNotFoundError:
        raise UsageError(
            f"{folder} holds no ablation (it has no {FIGURES})",
            "name the folder that `rankgen ablate` was given with --out",
        ) from None
    except (ValueError, ValidationError, KeyError, TypeError):
        raise IntegrityProblem(
            f"the ablation in {folder} cannot be read", "repeat its `rankgen ablate` command"
        ) from None


def _chosen(ablation: Ablation, folder: Path, labelled_set: str | None) -> str:
    names = ablation.first_stages
    if labelled_set is None and len(names) == 1:
        return names[0]
    if labelled_set in names:
        return str(labelled_set)
    if labelled_set is None:
        raise UsageError(
            f"the ablation {folder} has students of {len(names)} labelled sets "
            f"({', '.join(names)})",
            "choose one: --labelled-set NAME",
        )
    raise UsageError(
        f"the ablation {folder} has no labelled set '{labelled_set}'",
        did_you_mean(labelled_set, names),
    )
