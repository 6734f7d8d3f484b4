"""Reads a shipped folder as a student: pairs are cut and assembled as ever, ONNX Runtime scores."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from torch import Tensor

from rankgen.manifests.errors import EnvironmentProblem, IntegrityProblem, UsageError, reason_of
from rankgen.manifests.storage.digest import sha256_of_file
from rankgen.students.model.hardware import Hardware
from rankgen.students.model.loading import load_cross_encoder
from rankgen.students.shipping.int8 import check_cpu
from rankgen.students.shipping.onnx_export import OUTPUT
from rankgen.students.shipping.shipped_folder import ONNX_FILE, RECORD, is_shipped

if TYPE_CHECKING:
    from rankgen.students.model.cross_encoder import CrossEncoder

# Fewer than for PyTorch: the largest activation of a batch sets the steps of all in it.
CHUNK_TOKENS = 1_200


class ShippedRecord(BaseModel):
    """What shipped.json says of the model, which its scores depend on.

    Attributes:
        weight_bits: 32, or 8 or 7 of quantised weights.
        onnx_sha256: Digest of the graph's file.
        student: Identity of the student.
        parameters: The number of the student's weights.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    format: str
    weight_bits: int
    onnx_sha256: str
    student: str
    parameters: int


class OnnxModel(torch.nn.Module):
    """An ONNX Runtime session in the place of a student's model.

    Args:
        path: The graph.
        parameters: The number of the student's weights, which is told of it.
        threads: Threads of one forward pass; None takes torch's.
    """

    def __init__(self, path: Path, parameters: int, threads: int | None) -> None:
        super().__init__()
        self.session = _session(path, threads or torch.get_num_threads())
        # Not a type whose pairs torch packs, nor one with masks of its own.
        self.config = SimpleNamespace(model_type="onnx", _attn_implementation="eager")
        self._names = {each.name for each in self.session.get_inputs()}
        size = torch.empty(parameters, device="meta")
        self.weights = torch.nn.Parameter(size, requires_grad=False)

    def forward(self, **inputs: Tensor) -> SimpleNamespace:
        """Returns `logits`, shape (pairs, outputs), from the tokenizer's inputs."""
        given = {name: value.numpy() for name, value in inputs.items() if name in self._names}
        (logits,) = self.session.run([OUTPUT], given)
        return SimpleNamespace(logits=torch.from_numpy(logits))


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
        EnvironmentProblem: onnxruntime is missing, or this CPU would compute wrong scores.
        IntegrityProblem: The graph is not the one that was shipped.
    """
    if not is_shipped(folder):
        return None
    if device not in ("auto", "cpu"):
        raise UsageError(f"{folder} is scored by ONNX Runtime on the CPU", "use --device cpu")
    record = read_record(Path(folder))
    check_cpu(record.weight_bits, folder)
    graph = Path(folder) / ONNX_FILE
    if not graph.is_file() or sha256_of_file(graph) != record.onnx_sha256:
        raise IntegrityProblem(
            f"{graph} is not the file that was shipped", "restore it, or rankgen ship it again"
        )
    return with_session(load_cross_encoder(folder), graph, chunk_tokens, threads)


def with_session(
    encoder: CrossEncoder, graph: Path, chunk_tokens: int | None = None, threads: int | None = None
) -> tuple[CrossEncoder, Hardware]:
    """Returns a student whose scores an ONNX graph computes, and where that is."""
    parameters = sum(parameter.numel() for parameter in encoder.model.parameters())
    model = OnnxModel(graph, parameters, threads).train(False)
    hardware = Hardware(
        device=torch.device("cpu"),
        is_bf16=False,
        chunk_tokens=chunk_tokens or CHUNK_TOKENS,
        step_tokens=chunk_tokens or CHUNK_TOKENS,
    )
    # It computes as the student's model does; it is not one of transformers.
    return replace(encoder, model=cast(Any, model)), hardware


def read_record(folder: Path) -> ShippedRecord:
    """Reads shipped.json.

    Raises:
        IntegrityProblem: It is damaged.
    """
    try:
        values = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        return ShippedRecord.model_validate(values)
    except (OSError, ValueError, ValidationError):
        raise IntegrityProblem(
            f"{folder / RECORD} is damaged", "restore it, or rankgen ship the student again"
        ) from None


def _session(path: Path, threads: int) -> Any:
    try:
        import onnxruntime
    except ImportError:
        raise EnvironmentProblem(
            f"{path} needs the package onnxruntime", "pip install 'rankgen-distill[ship]'"
        ) from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    # onnxruntime has an error of its own for every kind of damage.
    except Exception as error:
        raise UsageError(
            f"{path} cannot be opened by onnxruntime: {reason_of(error)}",
            "rankgen ship the student again with this onnxruntime",
        ) from None
