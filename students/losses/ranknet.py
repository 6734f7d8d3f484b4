"""RankNet (Burges et al. 2005): the logistic loss over all pairs that the teacher orders."""

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

    The formula printed in arXiv 2405.07920 has the opposite sign, which would push the better
    passage down. Pair weights multiply the losses.
    """

    name: ClassVar[str] = "ranknet"
    weighs_pairs: ClassVar[bool] = True

    def terms(self, scores: Tensor, targets: Targets) -> Terms:
        """Returns each query's sum of pair losses and weight of ordered pairs."""
        wide = safe_scores(scores, targets.mask)
        pairs = ordered_pairs(targets, wide)
        losses = softplus(-differences(wide)) * pairs
        return Terms(losses.sum(dim=(1, 2)), pairs.sum(dim=(1, 2)))
