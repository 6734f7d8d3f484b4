"""Whether scores can be kept in the 32 bits of `teacher_scores`."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from rankgen.manifests.errors import UsageError
from rankgen.manifests.teacher_scores import LARGEST_SCORE


def in_float_range(scores: pa.ChunkedArray) -> bool:
    """Tells whether every score is a number that 32 bits can hold; an underflow is none."""
    return first_outside(scores) is None


def first_outside(scores: pa.ChunkedArray) -> int | None:
    """Returns the place of the first score that is missing, NaN, infinite or too large."""
    values = np.asarray(scores.cast(pa.float64()).to_numpy())
    wrong = np.flatnonzero(~(np.abs(values) <= LARGEST_SCORE))
    return int(wrong[0]) if len(wrong) else None


def refuse_wide_score(where: str, score: float) -> None:
    """Checks a score.

    Raises:
        UsageError: It is NaN, infinite or larger than 32 bits can hold.
    """
    if not abs(score) <= LARGEST_SCORE:
        raise UsageError(
            f"{where}: the score {score} is not a finite number of 32 bits",
            "remove the row, or write a finite score",
        )
