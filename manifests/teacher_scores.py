"""What the numbers in `teacher_scores` are, and the check that they are numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, JsonValue

from rankgen.manifests.counted import counted

# What the manifest says of a run whose rankings have scores stands under this name.
FACT = "teacher_scores"
Unit = Literal["logit", "log probability", "probability", "cosine", "run score", "label", "wins"]
# The largest number of 32 bits: the column has no room for more.
LARGEST_SCORE = 3.4028234663852886e38


class TeacherScores(BaseModel, frozen=True, extra="forbid"):
    """The scores of a run's rankings.

    Attributes:
        unit: "logit" is any number, "log probability" at most 0, "probability" from 0 to 1,
            "cosine" from -1 to 1, "run score" what a run file says (often only a place in an
            order), "label" a grade, "wins" the comparisons won against the passages of a window.
        source: Who gave them: a teacher, or the file or data set that they were imported from.
    """

    unit: Unit
    source: str

    def as_facts(self) -> dict[str, JsonValue]:
        """Returns the entry of the manifest."""
        return {FACT: self.model_dump(mode="json")}


def fault_of_scores(scores: Sequence[float | None] | None, documents: int) -> str | None:
    """Returns what is wrong with a list's scores, in a few words; None where nothing is.

    Args:
        scores: Scores of one list; None for a list without them, which is no fault.
        documents: Number of documents in the list.
    """
    if scores is None:
        return None
    if len(scores) != documents:
        return f"{counted(len(scores), 'score')} for {counted(documents, 'document')}"
    for place, score in enumerate(scores, start=1):
        if score is None or not math.isfinite(score):
            return f"the score at rank {place} is {'missing' if score is None else score}"
    return None
