"""The page of suites: what every system reaches on every task, and how its training went."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from rankgen.manifests.errors import IntegrityProblem
from rankgen.students.agreement.compare import names_of
from rankgen.students.evaluation.significance import PairedTest
from rankgen.students.evaluation.table import SIGNIFICANT
from rankgen.students.pages.blocks import Blocks
from rankgen.students.pages.page_file import Written, write_page
from rankgen.students.pages.training import Training, recorded_training, training_of
from rankgen.students.suites.combined import SUITE_RESULT, SuiteResult, SystemFigures


class ShownSuite(NamedTuple):
    """A suite's figures under the name of their folder."""

    name: str
    result: SuiteResult

    @property
    def measures(self) -> list[str]:
        """The measures of its tables."""
        return list(self.result.systems[0].figures)

    def best(self, measure: str, task: str) -> float:
        """Returns the best figure of a task."""
        return max(system.figures[measure][task] for system in self.result.systems)

    def best_mean(self, measure: str) -> float:
        """Returns the best mean over the tasks."""
        return max(system.means[measure] for system in self.result.systems)

    def change(self, system: SystemFigures, measure: str) -> PairedTest | None:
        """Returns the test over tasks of a system against no re-ranking."""
        pair = measure, self.result.systems[0].name, system.name
        return next((t for t in self.result.tests if (t.measure, t.a, t.b) == pair), None)

    def differs(self, system: SystemFigures, measure: str) -> bool:
        """Tells whether a system differs from no re-ranking; see the terminal's dagger."""
        test = self.change(system, measure)
        return test is not None and test.p_holm is not None and test.p_holm < SIGNIFICANT

    @property
    def headline(self) -> str:
        """The best system by the first measure, as a sentence."""
        measure = self.measures[0]
        best = max(self.result.systems, key=lambda system: system.means[measure])
        tasks = len(self.result.queries)
        over = "one task" if tasks == 1 else f"{tasks} tasks"
        return f"{best.name} reaches {best.means[measure]:.4f} {measure} on {over}"


def write_suites_page(
    folders: Sequence[Path], students: Sequence[Path], out: Path
) -> tuple[Written, int]:
    """Writes report.html of suites, one after the other.

    Args:
        folders: What `rankgen evaluate --suite` wrote.
        students: Students whose trainings are shown too, beside those that were evaluated.
        out: Where to.

    Returns:
        The page, and the number of judged queries.

    Raises:
        UsageError: A student has no record of its training.
        IntegrityProblem: The figures of a suite cannot be read.
    """
    asked = [recorded_training(student) for student in students]
    suites = [
        ShownSuite(name, read_suite(folder))
        for name, folder in zip(names_of(folders), folders, strict=True)
    ]
    trainings = _trainings(suites, asked)
    blocks = Blocks(out)
    blocks.add("charts", {"trainings": [training.charts() for training in trainings]})
    values = {
        "title": suites[0].headline,
        "suites": suites,
        "trainings": trainings,
        "measure": suites[0].measures[0],
    }
    systems = list(dict.fromkeys(one.name for suite in suites for one in suite.result.systems))
    written = write_page("suites.html.j2", out, blocks, systems, values)
    return written, sum(sum(suite.result.queries.values()) for suite in suites)


def read_suite(folder: Path) -> SuiteResult:
    """Reads what `rankgen evaluate --suite` wrote into a folder.

    Raises:
        IntegrityProblem: It cannot be read.
    """
    try:
        held = json.loads((folder / SUITE_RESULT).read_text(encoding="utf-8"))
        return SuiteResult.model_validate(held)
    except (ValueError, ValidationError):
        raise IntegrityProblem(
            f"the suite's figures in {folder} cannot be read",
            "repeat its `rankgen evaluate` command",
        ) from None


def _trainings(suites: Sequence[ShownSuite], asked: Sequence[Training]) -> list[Training]:
    """Returns the trainings of the students whose folders are still there, and others."""
    found: Mapping[str, Training | None] = {
        system.source: training_of(Path(system.source))
        for suite in suites
        for system in suite.result.systems
        if system.source
    }
    names = {training.name for training in asked}
    return [
        *(one for one in found.values() if one is not None and one.name not in names),
        *asked,
    ]
