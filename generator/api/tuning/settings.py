"""Everything that `rankgen tune` can be told."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from rankgen.generator.api.train_options import PresetSettings
from rankgen.generator.jobs.settings import ClusterSettings
from rankgen.manifests.options import SOURCE_METAVAR, Option, Settings
from rankgen.manifests.storage.run_path import RunPath
from rankgen.students.training.settings import StudentSettings


class SearchSettings(Settings):
    """What is searched, and how long."""

    panel = "Search"
    search: Annotated[
        tuple[str, ...],
        Option(
            "A setting of train-student and its values: learning_rate=log:1e-6..1e-4, "
            "warmup_steps=0..500, or loss=ranknet|lce; repeatable.",
            metavar="NAME=VALUES",
        ),
    ] = ()
    search_file: Annotated[
        Path | None,
        Option(
            'A TOML file of them: learning_rate = "log:1e-6..1e-4" or loss = ["ranknet", "lce"].',
            metavar="FILE",
        ),
    ] = None
    trials: Annotated[
        PositiveInt, Option("Trials in all; raise it later to try more, the others are kept.")
    ] = 16
    search_seed: Annotated[
        NonNegativeInt, Option("Random seed of the drawn values; --seed is that of the training.")
    ] = 0
    grace_steps: Annotated[
        PositiveInt | None,
        Option("Steps after which trials are first compared.", "a ninth of the longest training"),
    ] = None
    keep_one_in: Annotated[
        int,
        Field(ge=2),
        Option(
            "Let one in N of the compared trials go on, and compare it after N times the steps."
        ),
    ] = 3
    trials_at_once: Annotated[
        PositiveInt | None,
        Option("Trials that are trained at the same time.", "one on each GPU, else one"),
    ] = None


class TuneOptions(SearchSettings, StudentSettings, PresetSettings, ClusterSettings):
    """Trainings on the same rankings with drawn settings, compared on validation."""

    rankings: Annotated[
        RunPath,
        Option("Folder of a label, negatives or subsample run.", metavar=SOURCE_METAVAR),
    ]
    out: Annotated[
        Path, Option("Folder of all trials; repeat the command to resume.", metavar="FOLDER")
    ]

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        if not (self.search or self.search_file):
            raise ValueError("there is nothing to search: add --search NAME=VALUES")
        if not self.is_validated:
            raise ValueError(
                "trials are compared on validation, and there is none: add --validation and "
                "--validation-qrels, or --validation-rankings"
            )
        return self
