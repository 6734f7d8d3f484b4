"""Bounded gains and scores for teachers that give an order alone."""

from __future__ import annotations

import torch
from torch import Tensor

from rankgen.students.losses.terms import Targets, average_ranks, safe_scores


def reciprocal_gains(targets: Targets, like: Tensor) -> Tensor:
    """Returns 1/rank of every document, from 1/n to 1, ties averaged; 0 at padding.

    Labels that grow with the list, such as n - rank, make 2^label overflow and leave weight to
    the first rank alone.

    Returns:
        Shape (batch, n), with the type of `like`.
    """
    ranks = average_ranks(targets.ranks, targets.mask).to(like.dtype)
    return torch.where(targets.mask, 1 / ranks.clamp(min=1), torch.zeros_like(ranks))


def pseudo_scores(targets: Targets, like: Tensor) -> Tensor:
    """Returns the teacher's scores, or -ln(rank) where it gave an order alone; 0 at padding.

    The softmax of -ln(rank) at temperature T is rank^(-1/T) up to its sum: Zipf's law.

    Returns:
        Shape (batch, n), with the type of `like`.
    """
    if targets.teacher_scores is not None:
        return safe_scores(targets.teacher_scores, targets.mask).to(like.dtype)
    ranks = average_ranks(targets.ranks, targets.mask).to(like.dtype)
    return torch.where(targets.mask, -torch.log(ranks.clamp(min=1)), torch.zeros_like(ranks))
