"""MarginMSE (Hofstätter et al. 2020, arXiv 2010.02666) over all pairs that the teacher orders."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from rankgen.students.losses.gains import pseudo_scores
from rankgen.students.losses.pairs import differences, ordered_pairs
from rankgen.students.losses.terms import Targets, Terms, safe_scores


@dataclass(frozen=True)
class MarginMse:
    """((s_i - s_j) - (t_i - t_j))^2 for every i that is ranked above j.

    Without teacher scores t = -ln(rank), so that the margin of two passages is ln(r_j / r_i): at
    most 4.6 in a list of 100, and widest at the top.
    """

    name: ClassVar[str] = "margin-mse"
    weighs_pairs: ClassVar[bool] = True

    def terms(self, scores: Tensor, targets: Targets) -> Terms:
        """Returns the sum of the squared errors and the weight of the ordered pairs."""
        wide = safe_scores(scores, targets.mask)
        pairs = ordered_pairs(targets, wide)
        error = differences(wide) - differences(pseudo_scores(targets, wide))
        return Terms((error**2 * pairs).sum(dim=(1, 2)), pairs.sum(dim=(1, 2)))
