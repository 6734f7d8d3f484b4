"""`torch.compile` for the parts of a student between its matrix products and its attention.

What can be fused lies there: biases, activations, dropout, residual sums, layer norms. Both forward
passes, padded and packed, call these modules, so both are served; lengths stay dynamic.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch

from rankgen.manifests.errors import EnvironmentProblem

if TYPE_CHECKING:
    from transformers import PreTrainedModel

# The modules of a BERT-like layer; other architectures have whole layers compiled.
_PARTS = re.compile(r"\.layer\.\d+\.(?:attention\.output|intermediate|output)$")
_LAYERS = re.compile(r"\.(?:layer|layers)\.\d+$")


def compile_layers(model: PreTrainedModel) -> None:
    """Has the model's layers compiled when they are first called; weights and names stay.

    Raises:
        EnvironmentProblem: There is no compiler here, or the model has no layers that are known.
    """
    parts = list(_named(model, _PARTS)) or list(_named(model, _LAYERS))
    if not parts:
        raise EnvironmentProblem(
            f"no layers to compile are known in a {type(model).__name__}", "train without --compile"
        )
    for part in parts:
        part.compile(dynamic=True)


def _named(model: PreTrainedModel, pattern: re.Pattern[str]) -> Iterator[torch.nn.Module]:
    for name, module in model.named_modules():
        if pattern.search(name):
            yield module
