"""Writes a student's forward pass as an ONNX graph, for any number of pairs of any length."""

from __future__ import annotations

import contextlib
import logging
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from rankgen.manifests.errors import EnvironmentProblem, UsageError, reason_of
from rankgen.students.model.pair_template import Pair
from rankgen.students.shipping.first_tokens import only_first_tokens
from rankgen.students.shipping.plain_sums import keep_sums_apart

if TYPE_CHECKING:
    from rankgen.students.model.cross_encoder import CrossEncoder

# The first with GELU as one operator; ONNX Runtime reads it since 1.17.
OPSET = 20
OUTPUT = "logits"
# One protobuf file ends at 2 GiB, and the graph needs room as well.
MOST_BYTES = 1_900_000_000


class _Logits(torch.nn.Module):
    """A student whose inputs are given by position, as the exporter names them by position."""

    def __init__(self, model: torch.nn.Module, names: tuple[str, ...]) -> None:
        super().__init__()
        self.model, self.names = model, names

    def forward(self, *inputs: Tensor) -> Tensor:
        logits: Tensor = self.model(**dict(zip(self.names, inputs, strict=True))).logits
        return logits


def export_onnx(encoder: CrossEncoder, path: Path) -> None:
    """Writes one file with all weights in 32 bits.

    Its inputs are those of the tokenizer, int64 of shape (pairs, tokens); its output is `logits`,
    shape (pairs, outputs).

    Args:
        encoder: The student, on the CPU, in evaluation mode.
        path: The file.

    Raises:
        UsageError: The model is too large for one file, or has an operator that ONNX lacks.
        EnvironmentProblem: A package of the extra `ship` is not installed.
    """
    _check_packages()
    size = weight_bytes(encoder.model)
    if size > MOST_BYTES:
        raise UsageError(
            f"the student has {size / 1e9:.1f} GB of weights, and an ONNX file ends at 2 GB",
            "serve it with vLLM or transformers, or ship a smaller student",
        )
    inputs = encoder.template.collate(_example_pairs())
    module = _Logits(encoder.model, tuple(inputs)).eval()
    with _eager_attention(encoder.model), only_first_tokens(encoder.model), quiet():
        try:
            torch.onnx.export(
                module,
                tuple(inputs.values()),
                str(path),
                input_names=list(inputs),
                output_names=[OUTPUT],
                dynamic_shapes=(tuple({0: "pairs", 1: "tokens"} for _ in inputs),),
                opset_version=OPSET,
                dynamo=True,
                external_data=False,
                verbose=False,
            )
        # Which operator is lacking, torch says by many kinds of errors.
        except Exception as error:
            raise UsageError(
                f"the student cannot be written as ONNX: {reason_of(error)}",
                "serve it with transformers, or train one on another --backbone",
            ) from None
    keep_sums_apart(path)


def input_names(encoder: CrossEncoder) -> tuple[str, ...]:
    """Returns the names of the graph's inputs, in order."""
    return tuple(encoder.template.collate(_example_pairs()))


def weight_bytes(model: torch.nn.Module) -> int:
    """Returns the size of a model's weights in 32 bits, in bytes."""
    return 4 * sum(parameter.numel() for parameter in model.parameters())


def _check_packages() -> None:
    for name in ("onnx", "onnxscript", "onnxruntime"):
        try:
            __import__(name)
        except ImportError:
            raise EnvironmentProblem(
                f"shipping as ONNX needs the package {name}", "pip install 'rankgen-distill[ship]'"
            ) from None


def _example_pairs() -> list[Pair]:
    """Returns pairs of two lengths: the exporter keeps sizes of 1 for constants."""
    ids = np.arange(1, 8, dtype=np.int32)
    return [(ids[:2], ids[:3]), (ids[:3], ids)]


@contextlib.contextmanager
def _eager_attention(model: torch.nn.Module) -> Iterator[None]:
    """Has attention computed by plain products, which ONNX Runtime knows how to fuse."""
    # Models of transformers, of which a student may have one inside.
    parts: list[Any] = [
        part for part in model.modules() if hasattr(part, "set_attn_implementation")
    ]
    before = [part.config._attn_implementation for part in parts]
    for part in parts:
        part.set_attn_implementation("eager")
    try:
        yield
    finally:
        for part, name in zip(parts, before, strict=True):
            part.set_attn_implementation(name)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silences the reports of exporters, and keeps standard output for results."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(sys.stderr):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
