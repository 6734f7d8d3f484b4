"""Everything that `rankgen subsample` can be told."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from rankgen.manifests.options import RUN_METAVAR, SOURCE_METAVAR, Option, Settings
from rankgen.manifests.storage.run_path import NewRunPath, RunPath


class SubsampleSettings(Settings):
    """A part of a labelled set, without labelling anything again."""

    rankings: Annotated[
        RunPath,
        Option(
            "Folder of a label, negatives or import run, or of a subsample.",
            metavar=SOURCE_METAVAR,
            is_argument=True,
        ),
    ]
    out: Annotated[
        NewRunPath,
        Option("Folder of the run; repeat the command to resume it.", metavar=RUN_METAVAR),
    ]
    queries: Annotated[
        PositiveInt | None,
        Option(
            "Queries to draw. With one seed a smaller sample is part of every larger one, and the "
            "same as that of retrieve --sample.",
            "all",
        ),
    ] = None
    depth: Annotated[
        int | None,
        Field(ge=2),
        Option(
            "Keep the first stage's top N passages of each list, in the teacher's order.", "all"
        ),
    ] = None
    seed: Annotated[NonNegativeInt, Option("Random seed of the queries.")] = 0
    shards: Annotated[
        PositiveInt | None, Option("Number of shards.", "one for about 100 queries")
    ] = None
    partial: Annotated[
        bool, Option("Take what is labelled so far of a run that is not finished.")
    ] = False

    @model_validator(mode="after")
    def _takes_a_part(self) -> Self:
        if self.queries is None and self.depth is None:
            raise ValueError("there is nothing to leave out: add --queries, --depth or both")
        return self
