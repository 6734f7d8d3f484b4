"""Reads a shipped folder as a student: pairs are cut and assembled as ever, a graph scores them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor

from rankgen.manifests.errors import UsageError
from rankgen.students.model.hardware import Hardware
from rankgen.students.model.loading import load_cross_encoder
from rankgen.students.shipping.int8 import check_cpu
from rankgen.students.shipping.record import checked_graph, read_record
from rankgen.students.shipping.sessions import open_session
from rankgen.students.shipping.shipped_folder import is_shipped

if TYPE_CHECKING:
    from rankgen.students.model.cross_encoder import CrossEncoder

# Fewer than for PyTorch: the largest activation of a batch sets the steps of all in it.
CHUNK_TOKENS = 1_200


class GraphModel(torch.nn.Module):
    """A graph in the place of a student's model.

    Args:
        path: The graph's file.
        parameters: The number of the student's weights, which is told of it.
        threads: Threads of one forward pass; None takes torch's.
    """

    def __init__(self, path: Path, parameters: int, threads: int | None) -> None:
        super().__init__()
        self.session = open_session(path, threads or torch.get_num_threads())
        # Not a type whose pairs torch packs, nor one with masks of its own.
        self.config = SimpleNamespace(model_type="graph", _attn_implementation="eager")
        size = torch.empty(parameters, device="meta")
        self.weights = torch.nn.Parameter(size, requires_grad=False)

    def forward(self, **inputs: Tensor) -> SimpleNamespace:
        """Returns `logits`, shape (pairs, outputs), from the tokenizer's inputs."""
        names = self.session.names
        given = {name: value.numpy() for name, value in inputs.items() if name in names}
        return SimpleNamespace(logits=torch.from_numpy(self.session.logits(given)))


def open_shipped(
    folder: str, device: str, chunk_tokens: int | None = None, threads: int | None = None
) -> tuple[CrossEncoder, Hardware] | None:
    """Opens a folder of `rankgen ship`; returns None for any other student.

    Args:
        folder: The folder, or a model id.
        device: `auto` or `cpu`.
        chunk_tokens: Tokens of one forward pass, padding included.
        threads: CPU threads.

    Raises:
        UsageError: Another device than the CPU is asked for.
        EnvironmentProblem: A package is missing, or this CPU would compute wrong scores.
        IntegrityProblem: The graph is not the one that was shipped.
    """
    if not is_shipped(folder):
        return None
    record = read_record(Path(folder))
    if device not in ("auto", "cpu"):
        program = "OpenVINO" if record.format == "openvino" else "ONNX Runtime"
        raise UsageError(f"{folder} is scored by {program} on the CPU", "use --device cpu")
    check_cpu(record.weight_bits, folder)
    graph = checked_graph(Path(folder), record)
    return with_session(load_cross_encoder(folder), graph, chunk_tokens, threads)


def with_session(
    encoder: CrossEncoder, graph: Path, chunk_tokens: int | None = None, threads: int | None = None
) -> tuple[CrossEncoder, Hardware]:
    """Returns a student whose scores a graph computes, and where that is."""
    parameters = sum(parameter.numel() for parameter in encoder.model.parameters())
    model = GraphModel(graph, parameters, threads).train(False)
    hardware = Hardware(
        device=torch.device("cpu"),
        is_bf16=False,
        chunk_tokens=chunk_tokens or CHUNK_TOKENS,
        step_tokens=chunk_tokens or CHUNK_TOKENS,
    )
    # It computes as the student's model does; it is not one of transformers.
    return replace(encoder, model=cast(Any, model)), hardware
