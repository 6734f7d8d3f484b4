"""Graphs whose last layer computes what the head reads: the first token of each pair.

That spares a BERT-like student most of its last layer, as packed pairs do where rankgen computes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import cast

import torch
from torch import Tensor

from rankgen.students.model.packed_forward import Layer, layer_output, why_padded
from rankgen.students.model.student_model import StudentModel


@contextlib.contextmanager
def only_first_tokens(model: StudentModel) -> Iterator[None]:
    """Has the last layer return first tokens, shape (pairs, 1, width), where the head reads those.

    Args:
        model: A student in evaluation mode, on the CPU.
    """
    if why_padded(model, torch.device("cpu"), False, in_training=False) is not None:
        yield
        return
    layers = model.base_model.get_submodule("encoder.layer")
    assert isinstance(layers, torch.nn.ModuleList)
    whole = layers[-1]
    layers[-1] = _LastLayer(whole)
    try:
        yield
    finally:
        layers[-1] = whole


class _LastLayer(torch.nn.Module):
    def __init__(self, whole: torch.nn.Module) -> None:
        super().__init__()
        self.whole = whole

    def forward(self, hidden: Tensor, mask: Tensor | None, *_: object, **__: object) -> Tensor:
        def mixed(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
            query, key, value = (part.transpose(1, 2) for part in (query, key, value))
            weights = query @ key.transpose(2, 3) * query.shape[-1] ** -0.5
            if mask is not None:
                # The mask of a pair's tokens is the same for each that attends to them.
                weights = weights + mask[:, :, :1]
            found: Tensor = weights.softmax(dim=-1) @ value
            return found.transpose(1, 2)

        # The protocol names what such a layer has.
        return layer_output(cast(Layer, self.whole), hidden, hidden[:, :1], mixed)
