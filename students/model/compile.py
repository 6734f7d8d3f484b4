"""`torch.compile` for the parts of a student between its matrix products and its attention.

These parts can be fused: biases, activations, dropout, residual sums, layer norms. The padded and
the packed forward pass both call them; lengths stay dynamic.
"""

from __future__ import annotations

import re

from rankgen.manifests.errors import EnvironmentProblem
from rankgen.students.model.student_model import StudentModel

# The modules of a BERT-like layer; of other architectures whole layers are compiled.
_PARTS = re.compile(r"\.layer\.\d+\.(?:attention\.output|intermediate|output)$")
_LAYERS = re.compile(r"\.(?:layer|layers)\.\d+$")


def compile_layers(model: StudentModel) -> None:
    """Marks the model's layers to be compiled on their first call; weights and names stay.

    Raises:
        EnvironmentProblem: The layers of the model's class are unknown.
    """
    named = list(model.named_modules())
    parts = [module for name, module in named if _PARTS.search(name)]
    parts = parts or [module for name, module in named if _LAYERS.search(name)]
    if not parts:
        raise EnvironmentProblem(
            f"the layers of a {type(model).__name__} cannot be compiled", "train without --compile"
        )
    for part in parts:
        part.compile(dynamic=True)
