"""Everything that `rankgen soup` can be told."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from rankgen.manifests.options import Option
from rankgen.students.hardware_settings import HardwareSettings
from rankgen.students.training.validation_settings import ValidationSets

Method = Literal["uniform", "greedy"]


class SoupSettings(ValidationSets, HardwareSettings):
    """Which students become one, and by what."""

    students: Annotated[
        tuple[str, ...],
        Field(min_length=2),
        Option(
            "Two or more students of one architecture and one backbone, such as those of several "
            "seeds.",
            metavar="FOLDER",
            is_argument=True,
        ),
    ]
    out: Annotated[Path, Option("New folder of the soup.", metavar="FOLDER")]
    method: Annotated[
        Method | None,
        Option(
            "uniform: the mean of all; greedy: the best one first, and another only where it "
            "raises the mean's validation.",
            "greedy with a validation, else uniform",
        ),
    ] = None

    @model_validator(mode="after")
    def _can_be_chosen(self) -> Self:
        if self.method == "greedy" and not self.is_validated:
            raise ValueError(
                "a greedy soup is chosen on validation: add --validation and --validation-qrels, "
                "or --validation-rankings"
            )
        return self

    @property
    def chosen(self) -> Method:
        """The method that is used."""
        return self.method or ("greedy" if self.is_validated else "uniform")
