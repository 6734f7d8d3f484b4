"""The options of `rankgen label` as the settings of a run and of its teacher."""

from __future__ import annotations

from collections.abc import Mapping

from rankgen.generator.engines.engine_args import parse_engine_args
from rankgen.generator.jobs.label import LabelRunSettings
from rankgen.generator.teachers.settings import LabelSettings
from rankgen.manifests.errors import UsageError, did_you_mean
from rankgen.manifests.validation import validated


def label_settings(values: Mapping[str, object], where: str) -> LabelRunSettings:
    """Returns the settings that the options stand for.

    Raises:
        UsageError: An option is unknown or its value is wrong.
    """
    of_teacher = set(LabelSettings.model_fields)
    of_run = set(LabelRunSettings.model_fields) - {"teacher"}
    for name in values:
        if name not in of_teacher | of_run:
            raise UsageError(
                f"{where}: there is no setting '{name}'", did_you_mean(name, of_teacher | of_run)
            )
    teacher = {name: value for name, value in values.items() if name in of_teacher}
    # A recipe has a table, the command line a list of NAME=VALUE.
    given = teacher.get("engine_args")
    if given is None or isinstance(given, list):
        teacher["engine_args"] = parse_engine_args(given or ())
    run = {name: value for name, value in values.items() if name in of_run}
    return validated(
        LabelRunSettings, {**run, "teacher": validated(LabelSettings, teacher, where)}, where
    )
