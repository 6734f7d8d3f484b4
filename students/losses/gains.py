"""Bounded gains and scores for teachers that give only an order."""

from __future__ import annotations

import torch
from torch import Tensor

from rankgen.students.losses.terms import Targets, average_ranks, safe_scores


def reciprocal_gains(targets: Targets, like: Tensor) -> Tensor:
    """Returns 1/rank of every document, from 1/n to 1, with ties averaged; 0 for padding.

    Labels that grow with the list, such as n - rank, make 2^label overflow and give almost all
    weight to the first rank.

    Returns:
        Shape (batch, n), with the type of `like`.
    """
    ranks = average_ranks(targets.ranks, targets.mask).to(like.dtype)
    return torch.where(targets.mask, 1 / ranks.clamp(min=1), torch.zeros_like(ranks))


def pseudo_scores(targets: Targets, like: Tensor) -> Tensor:
    """Returns the teacher's scores, or -ln(rank) if it gave only an order; 0 for padding.

    The softmax of -ln(rank) at temperature T is proportional to rank^(-1/T): Zipf's law.

    Returns:
        Shape (batch, n), with the type of `like`.
    """
    if targets.teacher_scores is not None:
        return safe_scores(targets.teacher_scores, targets.mask).to(like.dtype)
    ranks = average_ranks(targets.ranks, targets.mask).to(like.dtype)
    return torch.where(targets.mask, -torch.log(ranks.clamp(min=1)), torch.zeros_like(ranks))
