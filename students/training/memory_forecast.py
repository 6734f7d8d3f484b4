"""What one step of a training holds in memory at most, before it is trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from pydantic import BaseModel, ConfigDict

from rankgen.manifests.errors import UsageError
from rankgen.students.model.hardware import CHUNK_TOKENS, STEP_TOKENS, Hardware
from rankgen.students.model.packed_forward import why_padded
from rankgen.students.training.optimizer import freeze_lowest
from rankgen.students.training.settings import TrainSettings
from rankgen.students.training.step_bytes import ModelSize, held_bytes, size_of
from rankgen.students.training.step_memory import (
    MARGIN,
    PADDING,
    fitting_tokens,
    free_memory,
)
from rankgen.students.training.team import Team
from rankgen.students.training.train import prepared_encoder

if TYPE_CHECKING:
    from rankgen.students.model.cross_encoder import CrossEncoder

GIB = 2**30
# What CUDA and its libraries take of a GPU before the first tensor.
CUDA_BYTES = int(0.6 * GIB)


class MemoryForecast(BaseModel):
    """The memory of one step.

    Attributes:
        device: Where it would be trained.
        is_packed: Whether pairs are computed end to end, without padding.
        weights: The number of weights.
        step_tokens: Tokens whose activations are held at once.
        held: Bytes by what holds them.
        peak_bytes: Their sum.
        free_bytes: Bytes that are free for it there; None if unknown.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    backbone: str
    device: str
    is_bf16: bool
    is_packed: bool
    weights: int
    trained_weights: int
    step_tokens: int
    held: dict[str, int]
    peak_bytes: int
    free_bytes: int | None

    @property
    def fits(self) -> bool | None:
        """Whether it fits; None if it is unknown what is free."""
        return None if self.free_bytes is None else self.peak_bytes <= self.free_bytes

    def text(self) -> str:
        """Returns the forecast in a sentence."""
        parts = [
            f"{value / GIB:,.2f} {name}"
            + (f" of {self.step_tokens:,} tokens" if name == "activations" else "")
            for name, value in self.held.items()
        ]
        verdict = "; how much is free there is unknown"
        if self.free_bytes is not None:
            verdict = f"; {self.free_bytes / GIB:,.2f} GiB are free there: it "
            verdict += "fits" if self.fits else "does not fit, lower --step-tokens"
        return (
            f"a step of {self.backbone} ({self.weights / 1e6:,.1f} M weights, "
            f"{'bf16' if self.is_bf16 else 'fp32'}, {'packed' if self.is_packed else 'padded'}) on "
            f"{self.device} holds up to {self.peak_bytes / GIB:,.2f} GiB: {', '.join(parts)}"
            f"{verdict}"
        )


def forecast_memory(settings: TrainSettings, gpu_gib: float | None = None) -> MemoryForecast:
    """Forecasts the memory of one step: loads the backbone, and trains nothing.

    Args:
        settings: The training.
        gpu_gib: Memory of the GPU to plan for in GiB; None plans for this machine.

    Raises:
        UsageError: The backbone is unusable, or its configuration does not tell its sizes.
    """
    asked = settings
    if gpu_gib is not None:
        here = {"device": "cpu", "precision": "fp32", "compile": False}
        settings = settings.model_copy(update=here)
    encoder, hardware = prepared_encoder(settings, Team())
    size = size_of(encoder.model)
    if size is None:
        raise UsageError(
            f"the memory of {settings.backbone} is unknown: its configuration does not tell its "
            "layers, heads and width",
            "train it without --dry-run: parts are halved where memory runs out",
        )
    weights = sum(parameter.numel() for parameter in encoder.model.parameters())
    if gpu_gib is None:
        device = hardware.device
        why = why_padded(encoder.model, device, hardware.is_bf16, in_training=True)
        free = _free(hardware, weights)
        return _forecast(encoder, settings, hardware, is_packed=why is None, free=free)
    return _on_gpu(encoder, asked, size, gpu_gib)


def _free(hardware: Hardware, weights: int) -> int | None:
    """Returns what is free for a training, the weights that are there already included."""
    free = free_memory(hardware.device)
    return None if free is None else free + 4 * weights


def _on_gpu(
    encoder: CrossEncoder, settings: TrainSettings, size: ModelSize, gib: float
) -> MemoryForecast:
    """Forecasts for a GPU that may not be here, from Ampere on."""
    is_bf16 = settings.precision != "fp32"
    weights = sum(parameter.numel() for parameter in encoder.model.parameters())
    free = int(gib * GIB) - CUDA_BYTES
    model = encoder.model
    why = why_padded(model, torch.device("cpu"), is_bf16, in_training=True)
    has_dropout = getattr(model.config, "attention_probs_dropout_prob", 0.0) > 0
    is_packed = why is None and is_bf16 and not has_dropout
    chunk = settings.chunk_tokens or CHUNK_TOKENS["cuda"]
    tokens = settings.step_tokens or fitting_tokens(
        free - 4 * weights,
        size,
        is_bf16=is_bf16,
        margin=MARGIN["cuda"],
        most=STEP_TOKENS["cuda"],
        least=encoder.longest_pair,
        padding=1.0 if is_packed else PADDING["cuda"],
        chunk_tokens=chunk,
    )
    hardware = Hardware(torch.device("cuda"), is_bf16, min(chunk, tokens), tokens)
    told = _forecast(encoder, settings, hardware, is_packed=is_packed, free=free)
    return told.model_copy(update={"device": f"a GPU of {gib:g} GiB"})


def _forecast(
    encoder: CrossEncoder,
    settings: TrainSettings,
    hardware: Hardware,
    *,
    is_packed: bool,
    free: int | None,
) -> MemoryForecast:
    freeze_lowest(encoder, settings.frozen_layers)
    size = size_of(encoder.model)
    assert size is not None
    weights = sum(parameter.numel() for parameter in encoder.model.parameters())
    padding = 1.0 if is_packed else PADDING[hardware.device.type]
    computed = round(hardware.step_tokens * padding)
    held = held_bytes(size, weights, computed, hardware.is_bf16, hardware.chunk_tokens)
    return MemoryForecast(
        backbone=settings.backbone,
        device=str(hardware.device),
        is_bf16=hardware.is_bf16,
        is_packed=is_packed,
        weights=weights,
        trained_weights=size.trained_weights,
        step_tokens=hardware.step_tokens,
        held=held._asdict(),
        peak_bytes=sum(held),
        free_bytes=free,
    )
