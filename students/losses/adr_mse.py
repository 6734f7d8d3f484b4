"""ADR-MSE (arXiv 2405.07920, section 3.2): the discounted squared error of approximate ranks."""

from __future__ import annotations

import torch
from torch import Tensor

from rankgen.students.losses.terms import Terms, average_ranks, safe_scores


def approximate_ranks(scores: Tensor, mask: Tensor, alpha: float) -> Tensor:
    """Returns 1 + sum over j != i of sigmoid(alpha (s_j - s_i)), the smooth rank of each document.

    Source: Qin, Liu and Li 2010, equation 8. The ranks of a list of n sum to n(n+1)/2.

    Args:
        scores: Higher is better, shape (batch, n).
        mask: True where a document stands, shape (batch, n).
        alpha: Sharpness; the ranks become exact as it grows.
    """
    above = torch.sigmoid(alpha * (scores.unsqueeze(1) - scores.unsqueeze(2)))
    others = ~torch.eye(scores.shape[1], dtype=torch.bool, device=scores.device)
    return 1 + (above * (mask.unsqueeze(1) & others)).sum(dim=2)


class AdrMse:
    """(r_i - approximate rank of i)^2 / log2(r_i + 1), ties in the target averaged.

    Args:
        alpha: Sharpness of the approximate ranks; 1 in the paper.
    """

    name = "adr-mse"

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = alpha

    def terms(self, scores: Tensor, ranks: Tensor, mask: Tensor) -> Terms:
        """Returns the summed discounted errors and the number of documents a query."""
        wide = safe_scores(scores, mask)
        target = average_ranks(ranks, mask).to(wide.dtype)
        error = (target - approximate_ranks(wide, mask, self.alpha)) ** 2
        # Rank 1 has discount 1; padding would have log2(1) = 0 in the denominator.
        discounted = error / torch.log2(torch.where(mask, target, torch.ones_like(target)) + 1)
        counts = mask.sum(dim=1)
        counted = counts > 1
        return Terms((discounted * mask).sum(dim=1) * counted, counts * counted)
