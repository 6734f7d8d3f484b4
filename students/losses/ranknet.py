"""RankNet (Burges et al. 2005): the logistic loss of every pair that the teacher orders."""

from __future__ import annotations

import torch
from torch import Tensor

from rankgen.students.losses.terms import Terms, safe_scores


class RankNet:
    """softplus(s_j - s_i) = log(1 + exp(s_j - s_i)) for every i that is ranked above j.

    The formula that arXiv 2405.07920 prints has the sign the other way round, which would push
    the better passage down.
    """

    name = "ranknet"

    def terms(self, scores: Tensor, ranks: Tensor, mask: Tensor) -> Terms:
        """Returns the summed pair losses and the number of strictly ordered pairs a query."""
        wide = safe_scores(scores, mask)
        both = mask.unsqueeze(2) & mask.unsqueeze(1)
        ordered = (ranks.unsqueeze(2) < ranks.unsqueeze(1)) & both
        # difference[b, i, j] = s_j - s_i
        difference = wide.unsqueeze(1) - wide.unsqueeze(2)
        pair_losses = torch.nn.functional.softplus(difference) * ordered
        return Terms(pair_losses.sum(dim=(1, 2)), ordered.sum(dim=(1, 2)))
