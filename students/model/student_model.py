"""What a student computes with: a model of transformers, or one with a head of another kind.

Both return `.logits`, one or two outputs for each pair.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import torch
from torch import Tensor

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel


@dataclass(frozen=True)
class Outputs:
    """What a forward pass returns: logits, shape (pairs, outputs)."""

    logits: Tensor


class HeadedModel(torch.nn.Module):
    """A body of transformers with a head that transformers has no class for.

    Args:
        body: The body, which comes first in the names of weights.
    """

    base_model_prefix = "body"
    # Whether the head reads the first token of a pair alone, as packed pairs need.
    reads_first_token = False
    # Whether the body is a model of transformers with a head, by which it scores.
    body_has_head = False

    def __init__(self, body: PreTrainedModel) -> None:
        super().__init__()
        self.body = body

    @property
    def config(self) -> PretrainedConfig:
        """The body's configuration."""
        return self.body.config

    @property
    def base_model(self) -> PreTrainedModel:
        """The body."""
        return self.body

    def logits_of_firsts(self, firsts: Tensor) -> Tensor:
        """Returns logits, (pairs, outputs), from the first token of each pair, (pairs, width).

        Raises:
            NotImplementedError: The head reads more than that (`reads_first_token` is False).
        """
        # Packed pairs are refused for such heads beforehand; see `packed_forward.why_padded`.
        raise NotImplementedError


StudentModel: TypeAlias = "PreTrainedModel | HeadedModel"
