"""Everything that `rankgen train-student` can be told."""

from __future__ import annotations

from typing import Annotated

from pydantic import PositiveInt, model_validator

from rankgen.generator.jobs.settings import ClusterSettings
from rankgen.manifests.options import Option, Settings
from rankgen.students.training.presets import with_preset
from rankgen.students.training.settings import TrainSettings


class TeamSettings(Settings):
    """Who trains together."""

    panel = "Hardware"
    workers: Annotated[
        PositiveInt,
        Option("Processes that share every step, each on a GPU if there are any."),
    ] = 1


class PresetSettings(Settings):
    """Settings that others have published."""

    preset: Annotated[
        str | None,
        Option(
            "Settings of a published recipe, which other options override: paper-labels, "
            "paper-single, paper-two-stage or authors-config.",
            metavar="NAME",
        ),
    ] = None

    @model_validator(mode="before")
    @classmethod
    def _fill_in_preset(cls, values: dict[str, object]) -> dict[str, object]:
        name = values.get("preset")
        return values if name is None else with_preset(str(name), values)


class TrainOptions(TrainSettings, PresetSettings, TeamSettings, ClusterSettings):
    """The settings of a training, and where it runs."""

    push: Annotated[
        str | None,
        Option("Repository of the Hugging Face Hub to push the student to.", metavar="USER/NAME"),
    ] = None

    def training(self) -> TrainSettings:
        """Returns the settings of the training itself."""
        return self.part(TrainSettings)
