"""Everything that `rankgen label` can be told."""

from __future__ import annotations

from typing import Annotated

from pydantic import PositiveInt

from rankgen.generator.jobs.settings import JobSettings
from rankgen.generator.teachers.settings import LabelSettings
from rankgen.generator.teachers.teacher_options import TeacherName
from rankgen.manifests.options import SOURCE_METAVAR, Option
from rankgen.manifests.storage.run_path import RunPath


class _LabelRun(JobSettings):
    """All but the teacher."""

    candidates: Annotated[
        RunPath, Option("Folder of a retrieve run, or of a rerank run.", metavar=SOURCE_METAVAR)
    ]
    only: Annotated[
        tuple[str, ...] | None,
        Option("Label only the query of this id; repeatable.", "all", metavar="QUERY_ID"),
    ] = None
    workers: Annotated[
        PositiveInt | None,
        Option("Ray actors.", "one per GPU; one per node for minilm, more on nodes of many cores"),
    ] = None
    allow_other_versions: Annotated[
        bool,
        Option(
            "Resume although rankgen, ftfy, transformers, torch or vLLM is not the version that "
            "the run was begun with; every commit names its own."
        ),
    ] = False


class LabelRunSettings(_LabelRun):
    """A label run with its teacher, as the job takes it."""

    teacher: LabelSettings


class LabelOptions(LabelSettings, _LabelRun):
    """A label run as users write it: everything under one name each."""

    teacher: TeacherName

    def settings(self) -> LabelRunSettings:
        """Returns the settings of the job."""
        return self.part(LabelRunSettings, teacher=self.part(LabelSettings))
