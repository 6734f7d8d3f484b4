"""Scores in 32 bits from students whose other layers compute in bfloat16.

Between 8 and 16, numbers of bfloat16 are 1/16 apart, so many documents of a list would tie.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import linear

from rankgen.students.model.student_model import HeadedModel, StudentModel

# Scores are one output, or the difference of two.
_MOST_OUTPUTS = 2


def score_in_32_bits(model: StudentModel) -> None:
    """Makes the layers that compute the model's scores use 32 bits, whatever autocast asks for.

    These are its linear layers of one or two outputs and the vocabulary of a model that answers.
    Weights and their names stay.
    """
    layers = [
        layer
        for layer in model.modules()
        if isinstance(layer, torch.nn.Linear) and layer.out_features <= _MOST_OUTPUTS
    ]
    if isinstance(model, HeadedModel) and model.body_has_head:
        # transformers does not type it.
        words = model.body.get_output_embeddings()  # type: ignore[no-untyped-call]
        layers += [words] if isinstance(words, torch.nn.Linear) else []
    for layer in layers:
        layer.register_forward_hook(_again_in_32_bits)


def _again_in_32_bits(layer: torch.nn.Module, inputs: tuple[Tensor, ...], found: Tensor) -> Tensor:
    if found.dtype != torch.bfloat16:
        return found
    assert isinstance(layer, torch.nn.Linear)
    with torch.autocast(found.device.type, enabled=False):
        bias = None if layer.bias is None else layer.bias.float()
        return linear(inputs[0].float(), layer.weight.float(), bias)
