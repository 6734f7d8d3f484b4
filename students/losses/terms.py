"""What every loss returns, and the reductions: sums and counts a query, weights from counts."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from rankgen.students.choices import Reduction


class Terms(NamedTuple):
    """The parts of a loss before any reduction.

    Attributes:
        sums: The summed terms of each query, shape (batch,), differentiable.
        counts: How many terms each query has, shape (batch,); a function of ranks and mask only.
    """

    sums: Tensor
    counts: Tensor


class ListLoss(Protocol):
    """A loss over ranked lists."""

    name: str

    def terms(self, scores: Tensor, ranks: Tensor, mask: Tensor) -> Terms:
        """Returns the sums and counts of each query.

        Args:
            scores: The student's scores, higher is better, shape (batch, n).
            ranks: The teacher's ranks, lower is better, equal for ties, shape (batch, n).
            mask: True where a document stands, False at padding, shape (batch, n), bool.
        """


def reduction_weights(counts: Tensor, reduction: Reduction) -> Tensor:
    """Returns the weight of each query's sum: the loss is `(weights * sums).sum()`.

    Args:
        counts: Terms of each query of the whole step, shape (batch,).
        reduction: `per_query_mean` averages within a query and then over the queries that have
            terms, so that every query weighs the same; `batch_pairs` averages over all terms of
            the step (lightning-ir); `sum` adds them up (the paper's formula).

    Returns:
        Weights of shape (batch,), zero where a query has no terms.
    """
    counts = counts.to(torch.float64)
    if reduction == "sum":
        return torch.ones_like(counts)
    if reduction == "batch_pairs":
        return torch.ones_like(counts) / counts.sum().clamp(min=1)
    with_terms = (counts > 0).to(counts.dtype)
    return with_terms / counts.clamp(min=1) / with_terms.sum().clamp(min=1)


def reduced(terms: Terms, reduction: Reduction) -> Tensor:
    """Returns the loss of one batch as a scalar."""
    weights = reduction_weights(terms.counts, reduction)
    return (terms.sums * weights.to(terms.sums)).sum()


def safe_scores(scores: Tensor, mask: Tensor) -> Tensor:
    """Returns the scores in at least 32 bits, with zeros at padding.

    Half precision has 128 values between 4 and 8, which makes ties; and whatever stands at
    padding, infinities included, must reach neither the value nor the gradient.
    """
    wide = scores if scores.dtype == torch.float64 else scores.float()
    return torch.where(mask, wide, torch.zeros_like(wide))


def average_ranks(ranks: Tensor, mask: Tensor) -> Tensor:
    """Returns the ranks 1 to n of each list anew; ties share the mean of their places.

    Args:
        ranks: Any numbers whose order is the ranking, lower is better, shape (batch, n).
        mask: True where a document stands, shape (batch, n).
    """
    real = mask.unsqueeze(1)
    better = ((ranks.unsqueeze(1) < ranks.unsqueeze(2)) & real).sum(dim=2)
    equal = ((ranks.unsqueeze(1) == ranks.unsqueeze(2)) & real).sum(dim=2)
    return better + (equal + 1) / 2
