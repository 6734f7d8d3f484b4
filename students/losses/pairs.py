"""The pairs of a list that the teacher orders, and their weights."""

from __future__ import annotations

from torch import Tensor

from rankgen.students.losses.terms import Targets


def ordered_pairs(targets: Targets, like: Tensor) -> Tensor:
    """Returns the weight of every pair (i, j) with i ranked strictly above j, and 0 elsewhere.

    Args:
        targets: The teacher's ranks and, if given, pair weights.
        like: A tensor with the type of the result.

    Returns:
        Shape (batch, n, n).
    """
    ranks, mask = targets.ranks, targets.mask
    both = mask.unsqueeze(2) & mask.unsqueeze(1)
    ordered = ((ranks.unsqueeze(2) < ranks.unsqueeze(1)) & both).to(like.dtype)
    return ordered if targets.pair_weights is None else ordered * targets.pair_weights.to(like)


def differences(values: Tensor) -> Tensor:
    """Returns values_i - values_j at [b, i, j], shape (batch, n, n)."""
    return values.unsqueeze(2) - values.unsqueeze(1)
