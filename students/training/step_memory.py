"""How many tokens' activations a device can hold, and what to do when memory runs out anyway."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import torch

from rankgen.manifests.errors import EnvironmentProblem
from rankgen.students.model.cross_encoder import CrossEncoder
from rankgen.students.model.hardware import Hardware
from rankgen.students.model.packed_forward import why_padded
from rankgen.students.training.step_bytes import ModelSize, held_bytes, size_of

# Shares of the free memory that are left unused: for gaps of the allocator and what kernels hold,
# on a CPU 40 to 80 % of the tensors (benchmarks/results/training_memory.json; more in bf16 where
# the model is tiny), and for other programs.
MARGIN = {"cpu": 0.5, "cuda": 0.15}
# Tokens that padded pairs compute for each of their own, at most: passages of 77 tokens on average,
# as in MS MARCO, whose lengths vary by a half of that, sorted, in chunks of the usual size.
PADDING = {"cpu": 1.1, "cuda": 1.75}
# Errors of the allocators of the CPU and of CUDA's libraries, which have no type of their own.
OUT_OF_MEMORY = re.compile(
    r"DefaultCPUAllocator: (can't allocate|not enough) memory|CUBLAS_STATUS_ALLOC_FAILED"
    r"|CUDA error: out of memory"
)


def fitting_tokens(
    free: int,
    size: ModelSize,
    *,
    is_bf16: bool,
    margin: float,
    most: int,
    least: int,
    padding: float = 1.0,
    chunk_tokens: int,
) -> int:
    """Returns how many tokens' activations to hold at once: `most`, or a half, a quarter ... of it.

    Only halving lets a training that resumes on the same device find the same number, although its
    free memory is not exactly the same.

    Args:
        free: Bytes that are free on the device once the weights are there.
        size: The model's sizes.
        is_bf16: Whether products are computed in bfloat16.
        margin: Share of `free` to leave unused.
        most: The number for a device with enough memory.
        least: Tokens of the longest pair, which cannot be split.
        padding: Tokens that are computed for each that is held, from 1.
        chunk_tokens: The most tokens of one forward pass, padding included.
    """

    def fits(tokens: int) -> bool:
        # The weights are there already. A team's flat copy of the gradients takes less than the
        # activations that are gone by then.
        held = held_bytes(size, 0, round(tokens * padding), is_bf16, min(chunk_tokens, tokens))
        return sum(held) <= free * (1 - margin)

    tokens = most
    while tokens > least and not fits(tokens):
        tokens = max(least, tokens // 2)
    return tokens


def fitted(hardware: Hardware, encoder: CrossEncoder, sharing: int) -> Hardware:
    """Returns the hardware with parts of a step reduced to fit into its free memory.

    Args:
        hardware: The device that the encoder is on.
        encoder: The student before its first step.
        sharing: Number of processes that share this machine's memory.
    """
    size = size_of(encoder.model)
    free = free_memory(hardware.device)
    if size is None or free is None:
        return hardware
    device = hardware.device
    why = why_padded(encoder.model, device, hardware.is_bf16, in_training=True)
    tokens = fitting_tokens(
        free // (sharing if device.type == "cpu" else 1),
        size,
        is_bf16=hardware.is_bf16,
        margin=MARGIN[device.type],
        most=hardware.step_tokens,
        least=encoder.longest_pair,
        padding=1.0 if why is None else PADDING[device.type],
        chunk_tokens=hardware.chunk_tokens,
    )
    return with_parts(hardware, tokens)


def free_memory(device: torch.device) -> int | None:
    """Returns the free memory of a device in bytes, or None if it is unknown."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    told = Path("/proc/meminfo")
    if not told.exists():
        return None
    found = re.search(r"MemAvailable: +(\d+) kB", told.read_text(encoding="ascii"))
    return None if found is None else int(found[1]) * 1024


def with_parts(hardware: Hardware, step_tokens: int) -> Hardware:
    """Returns the hardware with parts of `step_tokens` tokens, and chunks that are not larger."""
    chunk_tokens = min(hardware.chunk_tokens, step_tokens)
    return replace(hardware, step_tokens=step_tokens, chunk_tokens=chunk_tokens)


def is_out_of_memory(error: Exception) -> bool:
    """Tells whether an error means that memory could not be allocated."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and OUT_OF_MEMORY.search(str(error)) is not None


def in_smaller_parts(hardware: Hardware, held: int, longest: int) -> Hardware:
    """Returns the hardware with half the tokens per part or, once parts are minimal, per chunk.

    Args:
        hardware: The hardware whose memory ran out.
        held: Tokens of all lists that this process computes in the step; halving a larger part
            would change nothing.
        longest: Tokens of the longest pair.

    Raises:
        EnvironmentProblem: A single pair is too large.
    """
    if hardware.device.type == "cuda":
        torch.cuda.empty_cache()
    part = min(hardware.step_tokens, held)
    if part > longest:
        return with_parts(hardware, max(longest, part // 2))
    chunk = min(hardware.chunk_tokens, held)
    if chunk > longest:
        return replace(hardware, chunk_tokens=max(longest, chunk // 2))
    raise EnvironmentProblem(
        f"a training step on one pair of {longest} tokens does not fit into the memory of "
        f"{hardware.device}",
        "free memory there, lower --passage-tokens N, or choose a smaller --backbone",
    )
