"""How the training of a student went, as its metrics tell."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, TypedDict

from rankgen.manifests.errors import UsageError
from rankgen.students.training.metrics_log import metrics_path, metrics_rows
from rankgen.students.training.summary import TrainSummary

# Points of a curve; a longer one is shown as the means of as many parts.
MOST_POINTS = 300
LOSS, VALIDATION = "loss", "validation nDCG@10"


class Point(TypedDict):
    """A value at a step, counted from 1."""

    step: int
    value: float


class Training(NamedTuple):
    """A training.

    Attributes:
        loss: By step, as means over parts of a long training.
        validation: nDCG@10 by step; empty without validation.
        summary: Its figures; None while it is not finished.
    """

    name: str
    loss: list[Point]
    validation: list[Point]
    summary: TrainSummary | None

    def charts(self) -> dict[str, object]:
        """Returns what the page's charts draw, as JSON values."""
        summary = self.summary
        return {
            "name": self.name,
            "loss": self.loss,
            "validation": self.validation,
            "best_step": summary and summary.best_step,
            "first_stage": summary and summary.first_stage,
        }


def training_of(student: Path) -> Training | None:
    """Returns the training that made the student in a folder; None where it has no record of one.

    Raises:
        UsageError: The record is not one of metrics.
    """
    from rankgen.students.training.student_folder import finished_summary

    if not metrics_path(student).is_file():
        return None
    try:
        rows = metrics_rows(student).to_pylist()
    except ValueError:
        raise UsageError(
            f"{metrics_path(student)} is damaged or still being written",
            "repeat the command when the training has ended",
        ) from None
    return Training(
        name=student.name,
        loss=_thinned(_curve(rows, LOSS)),
        validation=_curve(rows, VALIDATION),
        summary=finished_summary(student),
    )


def recorded_training(student: Path) -> Training:
    """Returns the training that a user asked for.

    Raises:
        UsageError: The folder has no record of a training.
    """
    found = training_of(student)
    if found is None:
        raise UsageError(
            f"{student} has no record of a training (it has no .rankgen/metrics.jsonl)",
            "name the folder that `rankgen train-student` was given with --out",
        )
    return found


def _curve(rows: Sequence[dict[str, float | None]], name: str) -> list[Point]:
    return [
        Point(step=int(row["step"] or 0), value=value)
        for row in rows
        if (value := row.get(name)) is not None
    ]


def _thinned(curve: list[Point]) -> list[Point]:
    width = -(-len(curve) // MOST_POINTS)
    parts = [curve[start : start + width] for start in range(0, len(curve), width or 1)]
    return [
        Point(step=part[-1]["step"], value=sum(point["value"] for point in part) / len(part))
        for part in parts
    ]
