"""Losses between two distributions over a list: softmax cross entropy, ListNet and KL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from rankgen.students.losses.gains import pseudo_scores, reciprocal_gains
from rankgen.students.losses.terms import Targets, Terms, masked_log_softmax, safe_scores


@dataclass(frozen=True)
class SoftmaxCrossEntropy:
    """-sum_i y_i log softmax(s)_i, where y are the gains 1/rank divided by their sum."""

    name: ClassVar[str] = "softmax-ce"
    weighs_pairs: ClassVar[bool] = False

    def terms(self, scores: Tensor, targets: Targets) -> Terms:
        """Returns each query's cross entropy and the count 1, or 0 for a single passage."""
        wide = safe_scores(scores, targets.mask)
        gains = reciprocal_gains(targets, wide)
        share = gains / gains.sum(dim=1, keepdim=True).clamp(min=torch.finfo(gains.dtype).tiny)
        return _cross_entropy(share, wide, targets.mask)


@dataclass(frozen=True)
class ListNet:
    """-sum_i softmax(t / T)_i log softmax(s)_i (Cao et al. 2007, top-one probabilities).

    Args:
        temperature: T, above 0, applied to the teacher only: 1 keeps its distribution, a smaller
            value sharpens it.
    """

    temperature: float = 1.0
    name: ClassVar[str] = "listnet"
    weighs_pairs: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_positive("temperature", self.temperature)

    def terms(self, scores: Tensor, targets: Targets) -> Terms:
        """Returns each query's cross entropy and the count 1, or 0 for a single passage."""
        wide = safe_scores(scores, targets.mask)
        log_share = _teacher_log_softmax(targets, wide, self.temperature)
        return _cross_entropy(log_share.exp() * targets.mask, wide, targets.mask)


@dataclass(frozen=True)
class KullbackLeibler(ListNet):
    """KL(softmax(t / T) || softmax(s)): ListNet minus the teacher's entropy, 0 when they agree."""

    name: ClassVar[str] = "kl"

    def terms(self, scores: Tensor, targets: Targets) -> Terms:
        """Returns each query's divergence and the count 1, or 0 for a single passage."""
        wide = safe_scores(scores, targets.mask)
        log_share = _teacher_log_softmax(targets, wide, self.temperature)
        share = log_share.exp() * targets.mask
        cross = _cross_entropy(share, wide, targets.mask)
        entropy = -(share * log_share).sum(dim=1)
        return Terms(cross.sums - entropy * cross.counts, cross.counts)


def check_positive(name: str, value: float) -> None:
    """Checks a constant of a loss.

    Raises:
        ValueError: The value is not greater than 0.
    """
    if not value > 0:
        raise ValueError(f"{name} must be greater than 0, not {value}")


def _teacher_log_softmax(targets: Targets, like: Tensor, temperature: float) -> Tensor:
    return masked_log_softmax(pseudo_scores(targets, like) / temperature, targets.mask)


def _cross_entropy(share: Tensor, scores: Tensor, mask: Tensor) -> Terms:
    counted = mask.sum(dim=1) > 1
    sums = -(share * masked_log_softmax(scores, mask)).sum(dim=1) * counted
    return Terms(sums, counted.to(torch.int64))
