"""What became of a soup's students, and what it is worth."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from rankgen.students.soup.settings import Method


class Considered(BaseModel):
    """A student that was considered.

    Attributes:
        identity: Its digest, or its id and commit.
        validation: Its own nDCG@10; None without a validation.
        is_kept: Whether it is in the mean.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    identity: str
    validation: float | None
    is_kept: bool


class SoupSummary(BaseModel):
    """A soup.

    Attributes:
        ingredients: As they were named.
        validation: Its nDCG@10; None without a validation.
        first_stage: nDCG@10 of the validation's first-stage order.
        was_finished: Whether it existed already, so that nothing was done.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    out: Path
    method: Method
    ingredients: tuple[Considered, ...]
    validation: float | None
    first_stage: float | None
    was_finished: bool = False
