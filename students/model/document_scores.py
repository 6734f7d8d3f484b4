"""The scores of chunks as scores of their documents, for scoring and for training alike."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from rankgen.manifests.long_documents.rule import ChunkRule
from rankgen.students.model.hardware import moved


def document_scores(rule: ChunkRule | None, scores: Tensor, sizes: Sequence[int]) -> Tensor:
    """Returns one score for each document, shape (documents,).

    The gradient of a maximum goes to the best chunk alone, that of a mean to all chunks alike.

    Args:
        rule: Which score counts; None for documents that are not read in chunks.
        scores: Of all chunks, those of a document side by side, shape (chunks,).
        sizes: Chunks of each document, each at least 1.
    """
    if rule is None or rule.counts == "first" or max(sizes, default=1) == 1:
        # A single chunk is read of each.
        return scores
    parts = list(torch.split(scores, list(sizes)))
    if rule.counts == "max":
        padded = pad_sequence(parts, batch_first=True, padding_value=-torch.inf)
        return padded.max(dim=1).values
    sums = pad_sequence(parts, batch_first=True).sum(dim=1)
    return sums / moved(torch.tensor(sizes, dtype=scores.dtype), scores.device)
