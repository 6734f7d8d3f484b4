"""RankNet (Burges et al. 2005): the logistic loss of every pair that the teacher orders."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn.functional import softplus

from rankgen.students.losses.pairs import differences, ordered_pairs
from rankgen.students.losses.terms import Targets, Terms, safe_scores


@dataclass(frozen=True)
class RankNet:
    """softplus(s_j - s_i) = log(1 + exp(s_j - s_i)) for every i that is ranked above j.

    The formula that arXiv 2405.07920 prints has the sign the other way round, which would push
    the better passage down. With pair weights each pair counts with its weight.
    """

    name: ClassVar[str] = "ranknet"
    weighs_pairs: ClassVar[bool] = True

    def terms(self, scores: Tensor, targets: Targets) -> Terms:
        """Returns the summed pair losses and the number (or weight) of ordered pairs a query."""
        wide = safe_scores(scores, targets.mask)
        pairs = ordered_pairs(targets, wide)
        losses = softplus(-differences(wide)) * pairs
        return Terms(losses.sum(dim=(1, 2)), pairs.sum(dim=(1, 2)))
