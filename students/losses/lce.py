"""Localized contrastive estimation (Gao et al. 2021): the best passage against its own list."""

from __future__ import annotations

import torch
from torch import Tensor

from rankgen.students.losses.terms import Terms, safe_scores


class Lce:
    """-log softmax(s) at the top-ranked passage; several at the top share the target evenly."""

    name = "lce"

    def terms(self, scores: Tensor, ranks: Tensor, mask: Tensor) -> Terms:
        """Returns the cross entropy of each query and the count 1, or 0 for a list of one."""
        wide = safe_scores(scores, mask)
        lowest = torch.finfo(wide.dtype).min
        log_softmax = torch.log_softmax(torch.where(mask, wide, lowest), dim=1)
        last = torch.where(mask, ranks.to(wide.dtype), torch.inf)
        best = (last == last.amin(dim=1, keepdim=True)) & mask
        target = best / best.sum(dim=1, keepdim=True).clamp(min=1)
        # A padded position has target 0, yet 0 * (lowest - ...) could be a NaN in the gradient.
        kept = torch.where(best, log_softmax, torch.zeros_like(log_softmax))
        counted = mask.sum(dim=1) > 1
        return Terms(-(target * kept).sum(dim=1) * counted, counted.to(torch.int64))
