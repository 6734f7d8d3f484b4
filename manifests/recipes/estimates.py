"""What a recipe says of its own cost: rates measured elsewhere, and sizes not known yet."""

from __future__ import annotations

from typing import Annotated, NamedTuple, Self

from pydantic import BaseModel, Field, PositiveFloat, PositiveInt, model_validator


class Rate(NamedTuple):
    """How fast something goes, and who says so."""

    tokens_per_second: float
    source: str


class Rates(BaseModel, frozen=True, extra="forbid"):
    """The section `[rates]`: what a forecast counts with, each with where it comes from.

    Attributes:
        train: Tokens a second that a training reads.
        label: Tokens a second that a teacher reads and writes, on one GPU.
    """

    train: PositiveFloat | None = None
    train_source: Annotated[str | None, Field(min_length=1)] = None
    label: PositiveFloat | None = None
    label_source: Annotated[str | None, Field(min_length=1)] = None

    @model_validator(mode="after")
    def _have_sources(self) -> Self:
        for name in ("train", "label"):
            if (getattr(self, name) is None) != (getattr(self, f"{name}_source") is None):
                raise ValueError(f"{name} and {name}_source belong together: a rate has a source")
        return self

    def rate(self, name: str) -> Rate | None:
        """Returns the rate "train" or "label", or None where the recipe has none."""
        value, source = getattr(self, name), getattr(self, f"{name}_source")
        return None if value is None else Rate(value, source)


class Lists(NamedTuple):
    """What a step publishes, at most: lists, and passages in each."""

    lists: PositiveInt
    passages: PositiveInt
