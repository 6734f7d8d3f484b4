"""What a step learns from its lists: the teacher's ranks, scores and evidence as tensors."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from rankgen.students.losses import Targets
from rankgen.students.model.hardware import moved
from rankgen.students.training.batches import TokenList
from rankgen.students.training.evidence import PairEvidence


def targets_of(lists: Sequence[TokenList], evidence: PairEvidence | None) -> Targets:
    """Returns the targets of a step's lists, on the CPU.

    Args:
        lists: The lists; all of them have scores, or none.
        evidence: Weights for the pairs of a list; None gives every pair weight 1.
    """
    ranks, mask = ranks_and_mask([ranked.passages for ranked in lists])
    given = [torch.from_numpy(ranked.scores) for ranked in lists if ranked.scores is not None]
    scores = pad_sequence(given, batch_first=True) if given else None
    if evidence is None:
        return Targets(ranks, mask, scores)
    weights = torch.zeros(*ranks.shape, ranks.shape[1])
    for row, ranked in enumerate(lists):
        own = evidence.weights(ranked.query_id, ranked.positions)
        weights[row, : len(own), : len(own)] = torch.from_numpy(own)
    return Targets(ranks, mask, scores, weights)


def ranks_and_mask(sizes: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Returns the ranks 1, 2, ... and the mask of lists of these lengths, (lists, longest)."""
    places = torch.arange(max(sizes)).expand(len(sizes), -1)
    return (places + 1).float(), places < torch.tensor(sizes).unsqueeze(1)


def targets_at(targets: Targets, rows: Sequence[int]) -> Targets:
    """Returns the targets of some lists of a step, cut to the longest of them."""
    chosen = list(rows)
    longest = int(targets.mask[chosen].sum(dim=1).max())
    scores, weights = targets.teacher_scores, targets.pair_weights
    return Targets(
        targets.ranks[chosen, :longest],
        targets.mask[chosen, :longest],
        None if scores is None else scores[chosen, :longest],
        None if weights is None else weights[chosen, :longest, :longest],
    )


def on_device(targets: Targets, device: torch.device) -> Targets:
    """Returns the targets on the device of the scores."""
    scores, weights = targets.teacher_scores, targets.pair_weights
    return Targets(
        moved(targets.ranks, device),
        moved(targets.mask, device),
        None if scores is None else moved(scores, device),
        None if weights is None else moved(weights, device),
    )
