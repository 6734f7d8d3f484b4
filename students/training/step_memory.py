"""How many tokens' activations a device can hold, and what to do when memory runs out anyway."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from rankgen.manifests.errors import EnvironmentProblem
from rankgen.students.model.cross_encoder import CrossEncoder
from rankgen.students.model.hardware import Hardware
from rankgen.students.model.packed_forward import why_padded

# Shares of the free memory that are left unused, for temporaries of the backward pass, gaps of the
# allocator and, on a CPU, other programs.
MARGIN = {"cpu": 0.5, "cuda": 0.15}
# Tokens that padded pairs compute for each of their own, at most: passages of 77 tokens on average,
# as in MS MARCO, whose lengths vary by a half of that, sorted, in chunks of the usual size.
PADDING = {"cpu": 1.1, "cuda": 1.75}
# peft's name for the dropout beside the layer that it calls base_layer.
_DROPOUT = "lora_dropout.default"
# What the layer before a gate is called: in decoders, T5 and ModernBERT.
GATED = ("gate_proj", "wi_0", "Wi")
# Errors of the allocators of the CPU and of CUDA's libraries, which have no type of their own.
OUT_OF_MEMORY = re.compile(
    r"DefaultCPUAllocator: (can't allocate|not enough) memory|CUBLAS_STATUS_ALLOC_FAILED"
    r"|CUDA error: out of memory"
)


@dataclass(frozen=True)
class ModelSize:
    """The sizes of a Transformer that determine its memory.

    Attributes:
        hidden: Width of its layers.
        intermediate: Width between the two matrices of a layer's feed-forward part.
        trained_weights: Number of weights that are trained.
        is_gated: Whether the feed-forward part multiplies two of its vectors, as in ModernBERT and
            in most decoders.
        dropped: Summed widths of what adapters read through a dropout of their own.
    """

    hidden: int
    layers: int
    heads: int
    intermediate: int
    trained_weights: int
    is_gated: bool = False
    dropped: int = 0


def bytes_per_token(size: ModelSize, is_bf16: bool) -> int:
    """Returns the bytes that the backward pass needs for one token, including dropout.

    The number is counted from the tensors that a BERT layer with fused attention saves: in 32 bits
    about ten vectors of the layer's width and two of the intermediate width. Under autocast the
    matrix products save bfloat16, but every cast of an input is saved too. For ELECTRA-base in
    bfloat16 on a GPU, 420 to 440 KiB per token were measured; this function returns 431. A gated
    feed-forward part saves four vectors of the intermediate width instead of two. A dropout before
    an adapter saves its mask and what it lets through, some 3 bytes for each number.
    """
    own, between = (31, 4) if is_bf16 else (42, 8)
    if size.is_gated:
        between *= 2
    layer = own * size.hidden + between * size.intermediate
    return size.layers * (layer + 4 * size.heads) + 10 * size.hidden + 3 * size.dropped


def fitting_tokens(
    free: int,
    size: ModelSize,
    *,
    is_bf16: bool,
    margin: float,
    most: int,
    least: int,
    padding: float = 1.0,
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
    """
    # Gradients, AdamW's two moments, a flat copy of the gradients for a team, and, under autocast,
    # a copy of the weights.
    weights = size.trained_weights * (18 if is_bf16 else 16)
    fitting = (free * (1 - margin) - weights) / bytes_per_token(size, is_bf16) / padding
    tokens = most
    while tokens > fitting and tokens > least:
        tokens = max(least, tokens // 2)
    return tokens


def fitted(hardware: Hardware, encoder: CrossEncoder, sharing: int) -> Hardware:
    """Returns the hardware with parts of a step reduced to fit into its free memory.

    Args:
        hardware: The device that the encoder is on.
        encoder: The student before its first step.
        sharing: Number of processes that share this machine's memory.
    """
    size = size_of(encoder)
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
    )
    return with_parts(hardware, tokens)


def size_of(encoder: CrossEncoder) -> ModelSize | None:
    """Returns the model's sizes, or None if its configuration does not give them."""
    config = encoder.model.config
    named = ("hidden_size", "num_hidden_layers", "num_attention_heads")
    if not all(isinstance(getattr(config, name, None), int) for name in named):
        return None
    hidden, layers, heads = (int(getattr(config, name)) for name in named)
    # DistilBERT calls it hidden_dim; four times the width is common.
    between = getattr(config, "intermediate_size", getattr(config, "hidden_dim", None))
    trained = sum(p.numel() for p in encoder.model.parameters() if p.requires_grad)
    names = (name for name, _ in encoder.model.named_modules())
    is_gated = any(name.rpartition(".")[2] in GATED for name in names)
    between = int(between or 4 * hidden)
    return ModelSize(hidden, layers, heads, between, trained, is_gated, _dropped(encoder))


def _dropped(encoder: CrossEncoder) -> int:
    """Returns the summed widths of the linear layers whose adapters have a dropout."""
    modules = dict(encoder.model.named_modules())
    return sum(
        base.in_features
        for name, base in modules.items()
        if isinstance(base, torch.nn.Linear)
        and isinstance(modules.get(name.replace("base_layer", _DROPOUT)), torch.nn.Dropout)
    )


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
