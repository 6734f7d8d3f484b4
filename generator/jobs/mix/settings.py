"""Everything that `rankgen mix` can be told."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Self

from pydantic import PositiveInt, model_validator

from rankgen.generator.strategies.mixing import Method
from rankgen.manifests.options import RUN_METAVAR, SOURCE_METAVAR, Option, Settings
from rankgen.manifests.storage.run_path import NewRunPath, RunPath


class MixSettings(Settings):
    """Several teachers' rankings as one labelled set."""

    rankings: Annotated[
        tuple[RunPath, ...],
        Option(
            "Two or more runs with rankings of the same candidates.",
            metavar=SOURCE_METAVAR,
            is_argument=True,
        ),
    ]
    out: Annotated[
        NewRunPath,
        Option("Folder of the run; repeat the command to resume it.", metavar=RUN_METAVAR),
    ]
    method: Annotated[
        Method,
        Option(
            "rrf adds up 1 / (60 + rank), borda the passages below, median takes the median rank, "
            "scores the mean of the teachers' scores, which every run must have."
        ),
    ] = "rrf"
    shards: Annotated[
        PositiveInt | None, Option("Number of shards.", "one for about 100 queries")
    ] = None
    partial: Annotated[
        bool, Option("Take what is labelled so far of runs that are not finished.")
    ] = False

    @model_validator(mode="after")
    def _are_several(self) -> Self:
        if len(self.rankings) < 2:
            raise ValueError("there is nothing to mix: name two runs or more")
        named = Counter(map(str, self.rankings))
        if repeated := [name for name, times in named.items() if times > 1]:
            raise ValueError(f"{repeated[0]} would count twice: name each run once")
        return self
