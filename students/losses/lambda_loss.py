"""LambdaLoss with the weights of NDCG-Loss2++ (Wang et al., CIKM 2018, section 6)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import softplus

from rankgen.students.losses.pairs import differences, ordered_pairs
from rankgen.students.losses.terms import (
    Targets,
    Terms,
    UseOfScores,
    check_positive,
    reciprocal_gains,
    safe_scores,
)


@dataclass(frozen=True)
class LambdaLoss:
    """RankNet's pair losses times (rho_ij + mu delta_ij) |G_i - G_j|.

    With D(p) = log2(1 + p) and p a document's current place by the student's scores, rho is
    |1/D(p_i) - 1/D(p_j)| and delta is 1/D(|p_i - p_j|) - 1/D(|p_i - p_j| + 1). The gain G is
    1/rank divided by the list's ideal DCG, and so is bounded for lists of any length.

    Args:
        mu: Share of delta; 10 in the paper, 0 is LambdaRank.
    """

    mu: float = 10.0
    name: ClassVar[str] = "lambda"
    weighs_pairs: ClassVar[bool] = True
    scores: ClassVar[UseOfScores] = "no"
    shortest: ClassVar[int] = 2

    def __post_init__(self) -> None:
        if self.mu != 0:
            check_positive("mu", self.mu)

    def terms(self, scores: Tensor, targets: Targets) -> Terms:
        """Returns the sum of the weighted pair losses and the weight of the ordered pairs."""
        wide = safe_scores(scores, targets.mask)
        pairs = ordered_pairs(targets, wide)
        weights = ndcg_weights(wide.detach(), targets, self.mu)
        losses = softplus(-differences(wide)) * weights * pairs
        return Terms(losses.sum(dim=(1, 2)), pairs.sum(dim=(1, 2)))


def ndcg_weights(scores: Tensor, targets: Targets, mu: float) -> Tensor:
    """Returns (rho_ij + mu delta_ij) |G_i - G_j|, shape (batch, n, n); see `LambdaLoss`."""
    places = places_by_score(scores, targets).to(scores.dtype)
    discounts = 1 / torch.log2(1 + places)
    rho = differences(discounts).abs()
    apart = differences(places).abs()
    # A document is 0 places from itself, where the discount has a pole and there is no pair.
    near = apart.clamp(min=1)
    delta = (1 / torch.log2(1 + near) - 1 / torch.log2(2 + near)) * (apart > 0)
    gains = reciprocal_gains(targets, scores)
    ideal = gains.sort(dim=1, descending=True).values
    positions = torch.arange(1, scores.shape[1] + 1, device=scores.device, dtype=scores.dtype)
    best = (ideal / torch.log2(1 + positions)).sum(dim=1).clamp(min=torch.finfo(gains.dtype).tiny)
    weights: Tensor = (rho + mu * delta) * differences(gains / best.unsqueeze(1)).abs()
    return weights


def places_by_score(scores: Tensor, targets: Targets) -> Tensor:
    """Returns the place of every document by score, from 1; padding comes last.

    Among equal scores the document that the teacher ranks lower comes first, so that places do not
    depend on the order of the batch, and a model that ties everything gets the worst places.
    """
    lowest_first = torch.argsort(
        torch.where(targets.mask, -targets.ranks.to(scores.dtype), torch.inf), dim=1, stable=True
    )
    keys = torch.where(targets.mask, -scores, torch.inf).gather(1, lowest_first)
    order = lowest_first.gather(1, torch.argsort(keys, dim=1, stable=True))
    return torch.argsort(order, dim=1) + 1
