"""Where a student computes: device, precision, chunk sizes, threads and the C allocator."""

from __future__ import annotations

import ctypes
import sys
from dataclasses import dataclass

import torch

from rankgen.students.choices import Precision
from rankgen.students.model.device import choose_device
from rankgen.students.model.precision import resolve_precision

# Chunks of about 25 pairs of 95 tokens are fastest on a CPU (they fit its caches); a GPU wants
# enough tokens to fill it.
CHUNK_TOKENS = {"cpu": 2_400, "cuda": 65_536}
STEP_TOKENS = {"cpu": 24_000, "cuda": 131_072}
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
# glibc refuses more on a 64-bit machine.
LARGEST_MMAP_THRESHOLD = 32 << 20


@dataclass(frozen=True)
class Hardware:
    """Where and how a model computes.

    Attributes:
        is_bf16: Whether matrix products are computed in bfloat16; losses never are.
        chunk_tokens: Tokens of one forward pass, padding included.
        step_tokens: Tokens whose activations are held at once in training.
    """

    device: torch.device
    is_bf16: bool
    chunk_tokens: int
    step_tokens: int


def choose_hardware(
    device: str = "auto",
    precision: Precision = "auto",
    *,
    chunk_tokens: int | None = None,
    step_tokens: int | None = None,
    threads: int | None = None,
) -> Hardware:
    """Resolves `auto` and checks that the machine has what was asked for.

    Raises:
        RankgenError: See `choose_device`.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    keep_freed_memory()
    chosen = choose_device(device)
    return Hardware(
        device=chosen,
        is_bf16=resolve_precision(precision, chosen.type) == "bf16",
        chunk_tokens=chunk_tokens or CHUNK_TOKENS[chosen.type],
        step_tokens=step_tokens or STEP_TOKENS[chosen.type],
    )


def keep_freed_memory() -> None:
    """Tells glibc to keep freed blocks, since every chunk frees and asks for the same ones again.

    Without it, each large tensor on the CPU is a fresh mapping whose pages the kernel must zero.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, LARGEST_MMAP_THRESHOLD)
        mallopt(M_TRIM_THRESHOLD, (1 << 31) - 1)


def moved(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Returns the tensor on a device.

    It goes to a GPU from pinned memory: a copy from any other memory waits until the GPU has done
    all that it still has to do.
    """
    if device.type != "cuda" or tensor.device.type != "cpu":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


def place(model: torch.nn.Module, hardware: Hardware) -> None:
    """Moves the model's weights to the device."""
    torch.nn.Module.to(model, hardware.device)
