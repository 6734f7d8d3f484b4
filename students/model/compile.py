"""`torch.compile` for the parts of a student between its matrix products and its attention.

These parts can be fused: biases, activations, dropout, residual sums, layer norms. The padded and
the packed forward pass both call them; lengths stay dynamic.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch

from rankgen.manifests.errors import EnvironmentProblem

if TYPE_CHECKING:
    from transformers import PreTrainedModel

# The modules of a BERT-like layer; of other architectures whole layers are compiled.
_PARTS = re.compile(r"\.layer\.\d+\.(?:attention\.output|intermediate|output)$")
_LAYERS = re.compile(r"\.(?:layer|layers)\.\d+$")


def compile_layers(model: PreTrainedModel) -> None:
    """Marks the model's layers to be compiled on their first call; weights and names stay.

    Raises:
        EnvironmentProblem: The layers of the model's class are unknown.
    """
    parts = list(_named(model, _PARTS)) or list(_named(model, _LAYERS))
    if not parts:
        raise EnvironmentProblem(
            f"the layers of a {type(model).__name__} cannot be compiled", "train without --compile"
        )
    for part in parts:
        part.compile(dynamic=True)


def _named(model: PreTrainedModel, pattern: re.Pattern[str]) -> Iterator[torch.nn.Module]:
    for name, module in model.named_modules():
        if pattern.search(name):
            yield module
