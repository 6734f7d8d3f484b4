"""What every loss sees and returns, and the reductions: sums and counts, weights from counts."""

from __future__ import annotations

from typing import ClassVar, NamedTuple, Protocol

import torch
from torch import Tensor

from rankgen.students.choices import Reduction


class Targets(NamedTuple):
    """What the teacher says about a batch of lists.

    Attributes:
        ranks: The teacher's ranks, lower is better, equal for ties, shape (batch, n).
        mask: True where a document stands, False at padding, shape (batch, n), bool.
        teacher_scores: The teacher's scores, higher is better, shape (batch, n); None where the
            teacher gave an order alone, as rankings of schema version 1 do.
        pair_weights: Weight of every pair, symmetric, from 0, shape (batch, n, n); None weighs
            every pair 1.
    """

    ranks: Tensor
    mask: Tensor
    teacher_scores: Tensor | None = None
    pair_weights: Tensor | None = None


class Terms(NamedTuple):
    """The parts of a loss before any reduction.

    Attributes:
        sums: The summed terms of each query, shape (batch,), differentiable.
        counts: How many terms each query has, or their summed weights, shape (batch,); a
            function of the targets only.
    """

    sums: Tensor
    counts: Tensor


class ListLoss(Protocol):
    """A loss over ranked lists.

    Attributes:
        name: As the command line calls it.
        weighs_pairs: Whether `Targets.pair_weights` changes it.
    """

    name: ClassVar[str]
    weighs_pairs: ClassVar[bool]

    def terms(self, scores: Tensor, targets: Targets) -> Terms:
        """Returns the sums and counts of each query.

        Args:
            scores: The student's scores, higher is better, shape (batch, n).
            targets: What the teacher says about the same documents.
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
    with_terms = (counts > 0).to(counts.dtype)
    if reduction == "batch_pairs":
        total = counts.sum()
        return torch.ones_like(counts) / torch.where(total > 0, total, torch.ones_like(total))
    own = torch.where(counts > 0, counts, torch.ones_like(counts))
    return with_terms / own / with_terms.sum().clamp(min=1)


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


def masked_log_softmax(logits: Tensor, mask: Tensor) -> Tensor:
    """Returns log softmax over the documents of each list, with zeros at padding."""
    lowest = torch.finfo(logits.dtype).min
    log_softmax = torch.log_softmax(torch.where(mask, logits, lowest), dim=1)
    return torch.where(mask, log_softmax, torch.zeros_like(log_softmax))
