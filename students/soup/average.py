"""Means of weights, summed in 64 bits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from rankgen.students.model.student_model import StudentModel

Weights = Mapping[str, Tensor]


@dataclass(frozen=True)
class Sum:
    """A sum of weights.

    Attributes:
        count: Models in it.
        weights: The sums by name, 64-bit floats; tables of whole numbers are those of the first.
    """

    count: int = 0
    weights: dict[str, Tensor] = field(default_factory=dict)

    def with_model(self, model: StudentModel) -> Sum:
        """Returns the sum with another model, whose weights have the same names and shapes."""
        held = {name: _wide(weight) for name, weight in model.state_dict().items()}
        if not self.count:
            return Sum(1, held)
        added = {
            name: weight + held[name] if weight.is_floating_point() else weight
            for name, weight in self.weights.items()
        }
        return Sum(self.count + 1, added)

    def into(self, model: StudentModel) -> None:
        """Gives a model the mean as its weights, in its own number format."""
        own = model.state_dict()
        model.load_state_dict(
            {
                name: (weight / self.count).to(own[name].dtype)
                if weight.is_floating_point()
                else weight
                for name, weight in self.weights.items()
            }
        )


def _wide(weight: Tensor) -> Tensor:
    held = weight.detach().cpu()
    return held.to(torch.float64) if held.is_floating_point() else held.clone()
