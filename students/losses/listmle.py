"""ListMLE (Xia et al. 2008) and p-ListMLE (Lan et al. 2014): the order as a series of draws."""

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
    safe_scores,
)


@dataclass(frozen=True)
class ListMle:
    """logsumexp of s over the documents not yet drawn, minus s_i, for every document i.

    This is the negative log of the Plackett-Luce likelihood of the teacher's order; tied documents
    are drawn from the same rest (Breslow's treatment of ties).
    """

    name: ClassVar[str] = "listmle"
    weighs_pairs: ClassVar[bool] = False
    scores: ClassVar[UseOfScores] = "no"
    shortest: ClassVar[int] = 2

    def terms(self, scores: Tensor, targets: Targets) -> Terms:
        """Returns each query's negative log likelihood and number of documents."""
        losses = draw_losses(scores, targets)
        counts = targets.mask.sum(dim=1)
        return Terms(losses.sum(dim=1), counts * (counts > 1))


@dataclass(frozen=True)
class PositionListMle:
    """ListMLE with the weight 1/log2(1 + rank) on every draw, so that the top counts most.

    The weight 2^(n - rank) - 1 of the original paper overflows 32 bits from 128 documents on and
    leaves almost nothing to all but the first ranks; nDCG's discount replaces it.
    """

    name: ClassVar[str] = "p-listmle"
    weighs_pairs: ClassVar[bool] = False
    scores: ClassVar[UseOfScores] = "no"
    shortest: ClassVar[int] = 2

    def terms(self, scores: Tensor, targets: Targets) -> Terms:
        """Returns each query's weighted negative log likelihood and sum of weights."""
        losses = draw_losses(scores, targets)
        ranks = average_ranks(targets.ranks, targets.mask).to(losses.dtype)
        weights = targets.mask / torch.log2(1 + ranks.clamp(min=1))
        counted = targets.mask.sum(dim=1) > 1
        return Terms((losses * weights).sum(dim=1), weights.sum(dim=1) * counted)


def draw_losses(scores: Tensor, targets: Targets) -> Tensor:
    """Returns -log of the probability of every draw, 0 for padding, shape (batch, n)."""
    mask = targets.mask
    wide = safe_scores(scores, mask)
    ranks = torch.where(mask, targets.ranks.to(wide.dtype), torch.inf)
    in_order = torch.argsort(ranks, dim=1)
    lowest = torch.finfo(wide.dtype).min
    # Padding is last, and first once flipped: with the lowest score it adds exp(-huge) = 0.
    ordered = torch.where(mask, wide, lowest).gather(1, in_order)
    rest = torch.logcumsumexp(ordered.flip(1), dim=1).flip(1)
    better = (ranks.unsqueeze(1) < ranks.unsqueeze(2)).sum(dim=2)
    return torch.where(mask, rest.gather(1, better) - wide, torch.zeros_like(wide))
