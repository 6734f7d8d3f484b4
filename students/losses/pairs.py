"""Losses over the pairs that the teacher orders: RankNet, on its order, and MarginMSE."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn.functional import softplus

from rankgen.students.losses.terms import Targets, Terms, UseOfScores, given_scores, safe_scores


@dataclass(frozen=True)
class RankNet:
    """softplus(s_j - s_i) = log(1 + exp(s_j - s_i)) for every i that is ranked above j.

    Source: Burges et al. 2005. The formula printed in arXiv 2405.07920 has the opposite sign, which
    would push the better passage down. Pair weights multiply the losses.
    """

    name: ClassVar[str] = "ranknet"
    weighs_pairs: ClassVar[bool] = True
    scores: ClassVar[UseOfScores] = "no"
    shortest: ClassVar[int] = 2

    def terms(self, scores: Tensor, targets: Targets) -> Terms:
        """Returns each query's sum of pair losses and weight of ordered pairs."""
        wide = safe_scores(scores, targets.mask)
        pairs = ordered_pairs(targets, wide)
        losses = softplus(-differences(wide)) * pairs
        return Terms(losses.sum(dim=(1, 2)), pairs.sum(dim=(1, 2)))


@dataclass(frozen=True)
class MarginMse:
    """((s_i - s_j) - (t_i - t_j))^2 for every i that is ranked above j.

    t are the teacher's scores. Source: Hofstätter et al. 2020, arXiv 2010.02666.
    """

    name: ClassVar[str] = "margin-mse"
    weighs_pairs: ClassVar[bool] = True
    scores: ClassVar[UseOfScores] = "needed"
    shortest: ClassVar[int] = 2

    def terms(self, scores: Tensor, targets: Targets) -> Terms:
        """Returns the sum of the squared errors and the weight of the ordered pairs."""
        wide = safe_scores(scores, targets.mask)
        pairs = ordered_pairs(targets, wide)
        error = differences(wide) - differences(given_scores(targets, wide))
        return Terms((error**2 * pairs).sum(dim=(1, 2)), pairs.sum(dim=(1, 2)))


def ordered_pairs(targets: Targets, like: Tensor) -> Tensor:
    """Returns the weight of every pair (i, j) with i ranked strictly above j, and 0 elsewhere.

    Returns:
        Shape (batch, n, n), with the type of `like`.
    """
    ranks, mask = targets.ranks, targets.mask
    both = mask.unsqueeze(2) & mask.unsqueeze(1)
    ordered = ((ranks.unsqueeze(2) < ranks.unsqueeze(1)) & both).to(like.dtype)
    return ordered if targets.pair_weights is None else ordered * targets.pair_weights.to(like)


def differences(values: Tensor) -> Tensor:
    """Returns values_i - values_j at [b, i, j], shape (batch, n, n)."""
    return values.unsqueeze(2) - values.unsqueeze(1)
