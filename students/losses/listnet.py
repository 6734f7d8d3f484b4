"""Softmax cross entropies between two distributions over a list: LCE, ListNet, KL and others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from rankgen.students.losses.terms import (
    Targets,
    Terms,
    UseOfScores,
    check_positive,
    masked_log_softmax,
    reciprocal_gains,
    safe_scores,
    scores_or_log_ranks,
)


@dataclass(frozen=True)
class Lce:
    """-log softmax(s) of the top-ranked passage; passages tied at the top share the target.

    Source: localized contrastive estimation, Gao et al. 2021.
    """

    name: ClassVar[str] = "lce"
    weighs_pairs: ClassVar[bool] = False
    scores: ClassVar[UseOfScores] = "no"
    shortest: ClassVar[int] = 2

    def terms(self, scores: Tensor, targets: Targets) -> Terms:
        """Returns each query's cross entropy and the count 1, or 0 for a single passage."""
        mask = targets.mask
        wide = safe_scores(scores, mask)
        ranks = torch.where(mask, targets.ranks.to(wide.dtype), torch.inf)
        best = ((ranks == ranks.amin(dim=1, keepdim=True)) & mask).to(wide.dtype)
        target = best / best.sum(dim=1, keepdim=True).clamp(min=1)
        return _cross_entropy(target, wide, mask)


@dataclass(frozen=True)
class SoftmaxCrossEntropy:
    """-sum_i y_i log softmax(s)_i, where y are the gains 1/rank divided by their sum."""

    name: ClassVar[str] = "softmax-ce"
    weighs_pairs: ClassVar[bool] = False
    scores: ClassVar[UseOfScores] = "no"
    shortest: ClassVar[int] = 2

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
    scores: ClassVar[UseOfScores] = "if given"
    shortest: ClassVar[int] = 2

    def __post_init__(self) -> None:
        check_positive("temperature", self.temperature)

    def terms(self, scores: Tensor, targets: Targets) -> Terms:
        """Returns each query's cross entropy and the count 1, or 0 for a single passage."""
        wide = safe_scores(scores, targets.mask)
        share = self._log_share(targets, wide).exp() * targets.mask
        return _cross_entropy(share, wide, targets.mask)

    def _log_share(self, targets: Targets, like: Tensor) -> Tensor:
        return masked_log_softmax(
            scores_or_log_ranks(targets, like) / self.temperature, targets.mask
        )


@dataclass(frozen=True)
class KullbackLeibler(ListNet):
    """KL(softmax(t / T) || softmax(s)): ListNet minus the teacher's entropy, 0 when they agree."""

    name: ClassVar[str] = "kl"

    def terms(self, scores: Tensor, targets: Targets) -> Terms:
        """Returns each query's divergence and the count 1, or 0 for a single passage."""
        cross = super().terms(scores, targets)
        log_share = self._log_share(targets, cross.sums)
        entropy = -(log_share.exp() * targets.mask * log_share).sum(dim=1)
        return Terms(cross.sums - entropy * cross.counts, cross.counts)


def _cross_entropy(share: Tensor, scores: Tensor, mask: Tensor) -> Terms:
    counted = mask.sum(dim=1) > 1
    sums = -(share * masked_log_softmax(scores, mask)).sum(dim=1) * counted
    return Terms(sums, counted.to(torch.int64))
