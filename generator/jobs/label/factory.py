"""Creates the work of a label worker in its process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from rankgen.generator.engines.server.served_run import ServedRun
from rankgen.generator.jobs.label.work import LabelWork
from rankgen.generator.teachers.hub_fetch import fetch_once, files_of_teacher
from rankgen.generator.teachers.settings import LabelSettings
from rankgen.generator.teachers.teacher_recipe import refuse_another_teacher
from rankgen.manifests.run.run_directory import RunDirectory


@dataclass(frozen=True)
class LabelFactory:
    """Creates a teacher and opens the candidates in a worker process.

    Attributes:
        candidates: The retrieve run's folder.
        teacher: Resolved settings.
        documents_sha256: Digest of the texts in the plan; None if texts are not read.
        wanted: The driver's recipe to compare with; see `teacher_recipe`. None skips the check.
        served: What the run's workers share about their server.
    """

    candidates: Path
    teacher: LabelSettings
    documents_sha256: JsonValue = None
    wanted: Mapping[str, JsonValue] | None = None
    served: ServedRun | None = None

    def fetch(self, say: Callable[[str], None]) -> None:
        """Downloads the teacher's files from the Hub; see `fetch_once`."""
        for files in files_of_teacher(self.teacher):
            fetch_once(files, say)

    def __call__(self) -> LabelWork:
        """Loads the model.

        Raises:
            EnvironmentProblem: This node has other texts, files or versions than the driver.
        """
        if self.wanted is not None:
            refuse_another_teacher(self.teacher, self.wanted)
        return LabelWork(
            RunDirectory(self.candidates), self.teacher, self.documents_sha256, self.served
        )
