"""The results of a training in numbers."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from rankgen.students.choices import Ending


class TrainSummary(BaseModel):
    """The results of a training.

    Attributes:
        steps: Optimizer steps taken.
        best_step: The step whose weights were kept.
        loss: Moving average of the loss at the last step.
        validation: nDCG@10 at the best step; None without validation.
        first_stage: nDCG@10 of the validation candidates in first-stage order; None without
            validation, or where that order is unknown.
        skipped_lists: Number of lists with fewer than two passages.
        seconds: Training time over all sessions.
        ended_by: Why it ended: `max steps` (or epochs), `patience` or `time budget`.
        was_finished: Whether the student existed already, so that nothing was done.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    out: Path
    steps: int
    best_step: int
    loss: float
    validation: float | None
    first_stage: float | None
    lists: int
    skipped_lists: int
    pairs: int
    seconds: float
    ended_by: Ending
    was_finished: bool = False
