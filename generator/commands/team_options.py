"""The options of `rankgen train-student` that say where it runs, apart from its recipe."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field

from rankgen.manifests.validation import validated


class TeamOptions(BaseModel):
    """Who trains.

    Attributes:
        workers: Processes that share every step.
        ray_address: A cluster, or None for this machine; one worker needs none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    workers: int = Field(default=1, ge=1)
    ray_address: str | None = None


def split_team_options(
    values: Mapping[str, object], where: str
) -> tuple[TeamOptions, dict[str, object]]:
    """Returns these options and all the others.

    Raises:
        UsageError: A value is wrong.
    """
    own = {name: values[name] for name in TeamOptions.model_fields if name in values}
    rest = {name: value for name, value in values.items() if name not in own}
    return validated(TeamOptions, own, where), rest
