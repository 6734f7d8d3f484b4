"""Localized contrastive estimation (Gao et al. 2021): the best passage against its own list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from rankgen.students.losses.terms import Targets, Terms, masked_log_softmax, safe_scores


@dataclass(frozen=True)
class Lce:
    """-log softmax(s) of the top-ranked passage; passages tied at the top share the target."""

    name: ClassVar[str] = "lce"
    weighs_pairs: ClassVar[bool] = False

    def terms(self, scores: Tensor, targets: Targets) -> Terms:
        """Returns each query's cross entropy and the count 1, or 0 for a single passage."""
        mask = targets.mask
        wide = safe_scores(scores, mask)
        ranks = torch.where(mask, targets.ranks.to(wide.dtype), torch.inf)
        best = ((ranks == ranks.amin(dim=1, keepdim=True)) & mask).to(wide.dtype)
        target = best / best.sum(dim=1, keepdim=True).clamp(min=1)
        counted = mask.sum(dim=1) > 1
        sums = -(target * masked_log_softmax(wide, mask)).sum(dim=1) * counted
        return Terms(sums, counted.to(torch.int64))
