"""ADR-MSE (arXiv 2405.07920, section 3.2): the discounted squared error of approximate ranks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from rankgen.students.losses.terms import (
    Targets,
    Terms,
    UseOfScores,
    average_ranks,
    check_positive,
    safe_scores,
)


def approximate_ranks(
    scores: Tensor, mask: Tensor, alpha: float, weights: Tensor | None = None
) -> Tensor:
    """Returns 1 + sum over j != i of sigmoid(alpha (s_j - s_i)), the smooth rank of each document.

    Source: Qin, Liu and Li 2010, equation 8. The ranks of a list of n sum to n(n+1)/2.

    Args:
        scores: Higher is better, shape (batch, n).
        mask: True for documents, False for padding, shape (batch, n).
        alpha: Sharpness; the ranks become exact as it grows.
        weights: Weight of every pair, shape (batch, n, n); None means 1.
    """
    above = torch.sigmoid(alpha * (scores.unsqueeze(1) - scores.unsqueeze(2)))
    return 1 + (above * _others(mask, weights, scores)).sum(dim=2)


def evidenced_ranks(targets: Targets, like: Tensor) -> Tensor:
    """Returns 1 + the weight of the pairs that a document loses, ties counting half.

    If every weight is 1, these are the ranks 1 to n with ties averaged, in the type of `like`.
    """
    ranks = targets.ranks
    lost = (ranks.unsqueeze(1) < ranks.unsqueeze(2)).to(like.dtype)
    lost += 0.5 * (ranks.unsqueeze(1) == ranks.unsqueeze(2)).to(like.dtype)
    return 1 + (lost * _others(targets.mask, targets.pair_weights, like)).sum(dim=2)


@dataclass(frozen=True)
class AdrMse:
    """(r_i - approximate rank of i)^2 / log2(r_i + 1), with ties in the target averaged.

    Pair weights apply to both ranks, so that a pair of weight 0 has no effect; the discount remains
    that of the whole order.

    Args:
        alpha: Sharpness of the approximate ranks; 1 in the paper.
    """

    alpha: float = 1.0
    name: ClassVar[str] = "adr-mse"
    weighs_pairs: ClassVar[bool] = True
    scores: ClassVar[UseOfScores] = "no"
    shortest: ClassVar[int] = 2

    def __post_init__(self) -> None:
        check_positive("alpha", self.alpha)

    def terms(self, scores: Tensor, targets: Targets) -> Terms:
        """Returns the sum of the discounted errors and the number of documents in pairs."""
        mask, weights = targets.mask, targets.pair_weights
        wide = safe_scores(scores, mask)
        error = evidenced_ranks(targets, wide) - approximate_ranks(wide, mask, self.alpha, weights)
        ranks = average_ranks(targets.ranks, mask).to(wide.dtype)
        # Rank 1 has discount 1; padding would put log2(1) = 0 into the denominator.
        discounted = error**2 / torch.log2(torch.where(mask, ranks, torch.ones_like(ranks)) + 1)
        counted = mask & (_others(mask, weights, wide).sum(dim=2) > 0)
        return Terms((discounted * counted).sum(dim=1), counted.sum(dim=1))


def _others(mask: Tensor, weights: Tensor | None, like: Tensor) -> Tensor:
    """Returns the weight of j for i, 0 for padding and for i itself, shape (batch, n, n)."""
    distinct = ~torch.eye(mask.shape[1], dtype=torch.bool, device=mask.device)
    both = (mask.unsqueeze(1) & mask.unsqueeze(2) & distinct).to(like.dtype)
    return both if weights is None else both * weights.to(like)
