"""What every loss is given and returns, and the reductions that turn counts into weights."""

from __future__ import annotations

from typing import ClassVar, Literal, NamedTuple, Protocol

import torch
from torch import Tensor

from rankgen.students.choices import Reduction

UseOfScores = Literal["no", "if given", "needed"]


class Targets(NamedTuple):
    """The teacher's judgement of a batch of lists.

    Attributes:
        ranks: The teacher's ranks, lower is better, equal for ties, shape (batch, n).
        mask: True for documents, False for padding, shape (batch, n), bool.
        teacher_scores: The teacher's scores, higher is better, shape (batch, n); None if it gave
            only an order, or if that alone is to be learned.
        pair_weights: Weight of every pair, symmetric, at least 0, shape (batch, n, n); None means
            1 for every pair.
    """

    ranks: Tensor
    mask: Tensor
    teacher_scores: Tensor | None = None
    pair_weights: Tensor | None = None


class Terms(NamedTuple):
    """The parts of a loss before any reduction.

    Attributes:
        sums: The sum of each query's terms, shape (batch,), differentiable.
        counts: The number of each query's terms, or the sum of their weights, shape (batch,); it
            depends on the targets alone.
    """

    sums: Tensor
    counts: Tensor


class ListLoss(Protocol):
    """A loss over ranked lists, with its name on the command line.

    Attributes:
        weighs_pairs: Whether it uses `Targets.pair_weights`.
        scores: Whether it uses `Targets.teacher_scores`: "no", "if given", or "needed".
        shortest: Passages in the shortest list that teaches anything.
    """

    name: ClassVar[str]
    weighs_pairs: ClassVar[bool]
    scores: ClassVar[UseOfScores]
    shortest: ClassVar[int]

    def terms(self, scores: Tensor, targets: Targets) -> Terms:
        """Returns the sums and counts of each query.

        Args:
            scores: The student's scores, higher is better, shape (batch, n).
            targets: The teacher's judgement of the same documents.
        """


def check_positive(name: str, value: float) -> None:
    """Checks a constant of a loss.

    Raises:
        ValueError: The value is not greater than 0.
    """
    if not value > 0:
        raise ValueError(f"{name} must be greater than 0, not {value}")


def reduction_weights(counts: Tensor, reduction: Reduction) -> Tensor:
    """Returns the weight of each query's sum, shape (batch,): the loss is `(weights * sums).sum()`.

    Args:
        counts: The count of every query in the step, shape (batch,).
        reduction: `per_query_mean` averages within each query and then over the queries that have
            terms, so that every query has the same weight; `batch_pairs` averages over all terms
            of the step (as lightning-ir does); `sum` adds them up (the paper's formula).
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
    """Returns the scores in at least 32 bits, with zeros for padding.

    bfloat16 has only 128 values between 4 and 8, which makes ties; and padding, which may hold
    infinities, must affect neither the value nor the gradient.
    """
    wide = scores if scores.dtype == torch.float64 else scores.float()
    return torch.where(mask, wide, torch.zeros_like(wide))


def average_ranks(ranks: Tensor, mask: Tensor) -> Tensor:
    """Returns ranks from 1 to n for each list; ties share the mean of their places.

    Args:
        ranks: Any numbers whose order is the ranking, lower is better, shape (batch, n).
        mask: True for documents, False for padding, shape (batch, n).
    """
    real = mask.unsqueeze(1)
    better = ((ranks.unsqueeze(1) < ranks.unsqueeze(2)) & real).sum(dim=2)
    equal = ((ranks.unsqueeze(1) == ranks.unsqueeze(2)) & real).sum(dim=2)
    return better + (equal + 1) / 2


def reciprocal_gains(targets: Targets, like: Tensor) -> Tensor:
    """Returns 1/rank of every document, from 1/n to 1, with ties averaged; 0 for padding.

    Labels that grow with the list, such as n - rank, make 2^label overflow and give almost all
    weight to the first rank.

    Returns:
        Shape (batch, n), with the type of `like`.
    """
    ranks = average_ranks(targets.ranks, targets.mask).to(like.dtype)
    return torch.where(targets.mask, 1 / ranks.clamp(min=1), torch.zeros_like(ranks))


def given_scores(targets: Targets, like: Tensor) -> Tensor:
    """Returns the teacher's scores; 0 for padding.

    Returns:
        Shape (batch, n), with the type of `like`.

    Raises:
        ValueError: The teacher gave an order alone.
    """
    if targets.teacher_scores is None:
        raise ValueError("the loss needs the teacher's scores, and there is only an order")
    return safe_scores(targets.teacher_scores, targets.mask).to(like.dtype)


def scores_or_log_ranks(targets: Targets, like: Tensor) -> Tensor:
    """Returns the teacher's scores, or -ln(rank) if it gave only an order; 0 for padding.

    The softmax of -ln(rank) at temperature T is proportional to rank^(-1/T): Zipf's law.

    Returns:
        Shape (batch, n), with the type of `like`.
    """
    if targets.teacher_scores is not None:
        return given_scores(targets, like)
    ranks = average_ranks(targets.ranks, targets.mask).to(like.dtype)
    return torch.where(targets.mask, -torch.log(ranks.clamp(min=1)), torch.zeros_like(ranks))


def masked_log_softmax(logits: Tensor, mask: Tensor) -> Tensor:
    """Returns the log softmax over the documents of each list, with zeros for padding."""
    lowest = torch.finfo(logits.dtype).min
    log_softmax = torch.log_softmax(torch.where(mask, logits, lowest), dim=1)
    return torch.where(mask, log_softmax, torch.zeros_like(log_softmax))
