"""An evaluation as a page shows it, and the reader of one that was written before."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from rankgen.manifests.errors import IntegrityProblem, UsageError
from rankgen.manifests.storage.public_paths import file_name, is_local_path
from rankgen.students.evaluation.columns import Column, shown_columns
from rankgen.students.evaluation.result import Evaluation, Kind, SystemResult
from rankgen.students.evaluation.significance import PairedTest
from rankgen.students.evaluation.table import SIGNIFICANT, differs_from_first, test_against_first
from rankgen.students.pages.training import Training

KIND_NAMES: dict[Kind, str] = {
    "first-stage": "first stage",
    "run": "run file",
    "teacher": "teacher",
    "student": "student",
}


class Evaluated(NamedTuple):
    """An evaluation, and the trainings of its students as far as they are recorded."""

    evaluation: Evaluation
    trainings: tuple[Training, ...] = ()

    @property
    def headline(self) -> str:
        """The best system by the first measure, as a sentence."""
        measure, best = next(iter(self.evaluation.best.items()))
        winner = next(s.name for s in self.evaluation.systems if s.measures[measure] == best)
        verb = "reaches" if len(self.evaluation.systems) == 1 else "is best with"
        return f"{winner} {verb} {best:.4f} {measure}"

    @property
    def columns(self) -> list[Column]:
        """The columns beside the measures, as in the terminal."""
        return shown_columns(self.evaluation)

    def kind(self, system: SystemResult) -> str:
        """Returns what a system is, in words."""
        return KIND_NAMES[system.kind]

    def differs(self, system: SystemResult, measure: str) -> bool:
        """Tells whether a system differs from the first one; see the terminal's dagger."""
        return differs_from_first(self.evaluation, system.name, measure)

    def change(self, system: SystemResult) -> PairedTest | None:
        """Returns the test of a system against the first one by the first measure."""
        measure = next(iter(self.evaluation.best))
        return test_against_first(self.evaluation, system.name, measure)

    def p_text(self, value: float | None) -> str:
        """Returns a p value as the page shows it."""
        if value is None:
            return "not testable"
        return "< 0.0001" if value < 1e-4 else f"{value:.4f}"

    def is_significant(self, value: float | None) -> bool:
        """Tells whether a p value is below the level of the table."""
        return value is not None and value < SIGNIFICANT

    @property
    def facts(self) -> list[tuple[str, str]]:
        """Settings and software, names and values; those without a value are left out."""
        held = {**self.evaluation.settings, **self.evaluation.software}
        return [
            (name, _shown(value)) for name, value in held.items() if value not in (None, [], "")
        ]

    def charts(self) -> dict[str, object]:
        """Returns what the page's charts draw, as JSON values."""
        return {
            "measures": list(self.evaluation.best),
            "systems": [system.model_dump(mode="json") for system in self.evaluation.systems],
            "query_ids": list(self.evaluation.query_ids),
            "per_query": self.evaluation.per_query,
        }


def _shown(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(_shown(part) for part in value)
    text = str(value)
    return file_name(text) if is_local_path(text) else text


def read_evaluation(folder: Path) -> Evaluation:
    """Reads what `rankgen evaluate` wrote into a folder.

    Raises:
        UsageError: The folder holds no evaluation.
        IntegrityProblem: Its files cannot be read or do not fit one another.
    """
    try:
        held = json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))
        table = (folder / "per_query.csv").read_text(encoding="utf-8")
        query_ids, values = _per_query(table)
        return Evaluation.model_validate({**held, "query_ids": query_ids, "per_query": values})
    except FileNotFoundError as error:
        raise UsageError(
            f"{folder} holds no evaluation (it has no {Path(str(error.filename)).name})",
            "name the folder that `rankgen evaluate` was given with --out",
        ) from None
    except (ValueError, ValidationError, KeyError, IndexError, TypeError):
        raise IntegrityProblem(
            f"the evaluation in {folder} cannot be read", "repeat its `rankgen evaluate` command"
        ) from None


def _per_query(text: str) -> tuple[Sequence[str], dict[str, dict[str, list[float]]]]:
    """Returns the queries, and system -> measure -> a value for each of them."""
    head, *rows = csv.reader(io.StringIO(text))
    systems = head[2:]
    query_ids = list(dict.fromkeys(row[0] for row in rows))
    values: dict[str, dict[str, list[float]]] = {name: {} for name in systems}
    for _, measure, *figures in rows:
        for name, figure in zip(systems, figures, strict=True):
            values[name].setdefault(measure, []).append(float(figure))
    return query_ids, values
