"""Settings of what students are measured on while they are made."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import BeforeValidator, PositiveInt, model_validator

from rankgen.manifests.options import SOURCE_METAVAR, Option, Settings
from rankgen.manifests.storage.run_path import RunPath


def _several(given: object) -> object:
    """Reads one value, or none, as recipes and records of earlier versions name it."""
    if given is None:
        return ()
    return (given,) if isinstance(given, str | Path) else given


class ValidationSets(Settings):
    """What students are measured on while they are made."""

    panel = "Validation"
    validation: Annotated[
        tuple[RunPath, ...],
        BeforeValidator(_several),
        Option(
            "A retrieve run whose lists are re-ranked to measure a student; repeatable.",
            metavar=SOURCE_METAVAR,
        ),
    ] = ()
    validation_qrels: Annotated[
        tuple[Path, ...],
        BeforeValidator(_several),
        Option(
            "Its judgements, a file or irds:ID; once for each --validation, in their order.",
            metavar="FILE|irds:ID",
        ),
    ] = ()
    validation_rankings: Annotated[
        tuple[RunPath, ...],
        BeforeValidator(_several),
        Option(
            "A label run of queries that are not learned, whose order is the goal in place of "
            "judgements; repeatable.",
            metavar=SOURCE_METAVAR,
        ),
    ] = ()
    validation_queries: Annotated[
        PositiveInt | None, Option("Most validation queries, the first by id.", "all")
    ] = None
    validation_depth: Annotated[
        PositiveInt | None, Option("Candidates re-ranked per validation query.", "all")
    ] = None

    @model_validator(mode="after")
    def _validation_needs_both(self) -> Self:
        if bool(self.validation) != bool(self.validation_qrels):
            raise ValueError("validation needs both --validation and --validation-qrels")
        if len(self.validation) != len(self.validation_qrels):
            raise ValueError("validation_qrels is given once for each validation")
        return self

    @property
    def is_validated(self) -> bool:
        """Whether there is a validation."""
        return bool(self.validation or self.validation_rankings)


class ValidationSettings(ValidationSets):
    """How a training is watched, and when it stops."""

    panel = "Validation"
    validate_every: Annotated[
        PositiveInt,
        Option(
            "Steps between validations; a backbone with a trained head is validated at the start "
            "too."
        ),
    ] = 50
    patience_steps: Annotated[
        PositiveInt | None, Option("Stop when nDCG@10 has not risen for this many steps.")
    ] = 100
