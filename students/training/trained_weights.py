"""The weights that a training can move: all of them, or those of its adapters and the head."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from rankgen.students.model.student_model import StudentModel


def trained_weights(model: StudentModel) -> dict[str, Tensor]:
    """Returns what a checkpoint holds, by name; frozen weights are the backbone's and stay."""
    held = dict(torch.nn.Module.state_dict(model))
    if not has_adapters(model):
        return held
    trained = {name for name, weight in model.named_parameters() if weight.requires_grad}
    return {name: weight for name, weight in held.items() if name in trained}


def has_adapters(model: StudentModel) -> bool:
    """Tells whether adapters are in a model's layers."""
    # As peft names their matrices; importing it to ask takes a second.
    return any(".lora_A." in name for name, _ in model.named_parameters())


def put_back(model: StudentModel, weights: Mapping[str, Tensor]) -> None:
    """Restores what `trained_weights` returned of the same model.

    Raises:
        RuntimeError: The weights are those of another model.
    """
    expected = trained_weights(model).keys()
    if expected != weights.keys():
        raise RuntimeError(f"weights of another model: {min(expected ^ weights.keys())}")
    torch.nn.Module.load_state_dict(model, dict(weights), strict=False)
