"""The pointwise loss on the teacher's scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from rankgen.students.losses.terms import Targets, Terms, UseOfScores, given_scores, safe_scores


@dataclass(frozen=True)
class Mse:
    """(s_i - t_i)^2 for every passage, where t is the teacher's score of it.

    The student learns the numbers themselves and so their scale. Source: the Ettin re-rankers are
    trained on a larger one's logits by sentence-transformers' MSELoss, the mean over pairs, which
    the reduction `batch_pairs` gives.
    """

    name: ClassVar[str] = "mse"
    weighs_pairs: ClassVar[bool] = False
    scores: ClassVar[UseOfScores] = "needed"
    shortest: ClassVar[int] = 1

    def terms(self, scores: Tensor, targets: Targets) -> Terms:
        """Returns each query's sum of squared errors and number of passages."""
        wide = safe_scores(scores, targets.mask)
        # Padding is 0 in both.
        error = wide - given_scores(targets, wide)
        return Terms((error**2).sum(dim=1), targets.mask.sum(dim=1))
