"""Everything that `rankgen compare` can be told."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, PositiveInt, model_validator

from rankgen.manifests.options import SOURCE_METAVAR, Option, Settings
from rankgen.manifests.storage.run_path import RunPath


class CompareSettings(Settings):
    """Which runs, and what agreement is."""

    runs: Annotated[
        tuple[RunPath, ...],
        Option(
            "Two or more runs with rankings of the same queries: of label, import or subsample.",
            metavar=SOURCE_METAVAR,
            is_argument=True,
        ),
    ]
    persistence: Annotated[
        float,
        Field(gt=0, lt=1),
        Option("The p of rank-biased overlap; 0.9 gives the top 10 86 % of the weight."),
    ] = 0.9
    top: Annotated[PositiveInt, Option("Ranks of the overlap at the top.")] = 10

    @model_validator(mode="after")
    def _are_several(self) -> Self:
        if len(self.runs) < 2:
            raise ValueError("there is nothing to compare: name two runs or more")
        return self
