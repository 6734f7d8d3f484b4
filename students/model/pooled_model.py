"""A body whose token vectors are pooled into one, which a chain of small layers scores.

The layers have the names of sentence-transformers' modules, and so have their weights.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from rankgen.students.model.student_model import HeadedModel, Outputs

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class Dense(torch.nn.Module):
    """A linear layer and its activation, on request with a residual connection."""

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        bias: bool,
        activation: torch.nn.Module,
        use_residual: bool = False,
    ) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(in_features, out_features, bias=bias)
        self.activation = activation
        self.use_residual = use_residual
        if use_residual and in_features != out_features:
            self.residual = torch.nn.Linear(in_features, out_features, bias=False)

    def forward(self, vectors: Tensor) -> Tensor:
        """Returns vectors, shape (pairs, out_features)."""
        found: Tensor = self.activation(self.linear(vectors))
        if not self.use_residual:
            return found
        return found + (self.residual(vectors) if hasattr(self, "residual") else vectors)


class LayerNorm(torch.nn.Module):
    """A layer norm."""

    def __init__(self, dimension: int) -> None:
        super().__init__()
        self.norm = torch.nn.LayerNorm(dimension)

    def forward(self, vectors: Tensor) -> Tensor:
        """Returns vectors of the same shape."""
        found: Tensor = self.norm(vectors)
        return found


class Normalize(torch.nn.Module):
    """Scales vectors to length 1."""

    def forward(self, vectors: Tensor) -> Tensor:
        """Returns vectors of the same shape."""
        return torch.nn.functional.normalize(vectors, dim=-1)


class PooledModel(HeadedModel):
    """A body, a pooling and a head.

    Args:
        body: An encoder of transformers.
        pooling: A key of `POOLINGS`.
        head: Layers that turn pooled vectors into logits, (pairs, outputs).
        left_out: Tokens at a pair's start that are not pooled.
    """

    def __init__(
        self, body: PreTrainedModel, pooling: str, head: torch.nn.Sequential, left_out: int = 0
    ) -> None:
        super().__init__(body)
        self.pooling = pooling
        self.head = head
        self.left_out = left_out
        self.reads_first_token = pooling == "cls" and left_out == 0

    def forward(self, **inputs: Any) -> Outputs:
        """Returns the logits of padded pairs, shape (pairs, outputs)."""
        hidden = self.body(**inputs).last_hidden_state
        mask = inputs.get("attention_mask")
        if mask is None or mask.ndim != 2:
            mask = torch.ones(hidden.shape[:2], dtype=torch.long, device=hidden.device)
        if self.left_out and self.pooling == "cls":
            hidden = hidden[:, self.left_out :]
        elif self.left_out:
            columns = torch.arange(hidden.shape[1], device=hidden.device)
            mask = mask * (columns >= self.left_out)
        return Outputs(self.head(POOLINGS[self.pooling](hidden, mask)))

    def logits_of_firsts(self, firsts: Tensor) -> Tensor:
        """Returns logits, (pairs, outputs), from the first token of each pair, (pairs, width)."""
        found: Tensor = self.head(firsts)
        return found


def _first(hidden: Tensor, mask: Tensor) -> Tensor:
    return hidden[:, 0]


def _mean(hidden: Tensor, mask: Tensor) -> Tensor:
    return _sum(hidden, mask) / mask.sum(dim=1, keepdim=True).clamp(min=1)


def _mean_by_root(hidden: Tensor, mask: Tensor) -> Tensor:
    return _mean(hidden, mask) * mask.sum(dim=1, keepdim=True).sqrt()


def _weighted_mean(hidden: Tensor, mask: Tensor) -> Tensor:
    """The later a token, the more it counts."""
    weights = mask * torch.arange(1, hidden.shape[1] + 1, device=hidden.device)
    return _sum(hidden, weights) / weights.sum(dim=1, keepdim=True).clamp(min=1)


def _sum(hidden: Tensor, mask: Tensor) -> Tensor:
    return (hidden.float() * mask[..., None]).sum(dim=1)


def _max(hidden: Tensor, mask: Tensor) -> Tensor:
    return hidden.masked_fill(mask[..., None] == 0, float("-inf")).amax(dim=1)


def _last(hidden: Tensor, mask: Tensor) -> Tensor:
    columns = torch.arange(hidden.shape[1], device=hidden.device)
    rows = torch.arange(len(hidden), device=hidden.device)
    return hidden[rows, (mask * columns).amax(dim=1)]


# Each turns token vectors, (pairs, tokens, width), and a mask of rows padded on the right into
# vectors, (pairs, width).
POOLINGS: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
    "cls": _first,
    "mean": _mean,
    "mean_sqrt_len_tokens": _mean_by_root,
    "weightedmean": _weighted_mean,
    "sum": _sum,
    "max": _max,
    "lasttoken": _last,
}
