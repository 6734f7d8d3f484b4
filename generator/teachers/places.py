"""How many tokens a model has learnt places for; reading more of them fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def places_of(model: torch.nn.Module) -> int | None:
    """Returns the most tokens of a model with learnt positions; None for any other model."""
    from torch.nn import Embedding

    for name, part in model.named_modules():
        if name.endswith("position_embeddings") and isinstance(part, Embedding):
            # RoBERTa counts from behind the padding's place.
            reserved = 0 if part.padding_idx is None else part.padding_idx + 1
            return part.num_embeddings - reserved
    return None
