"""What a training step holds, in bytes: counted from the tensors that are live at its peak.

Counted by the operator, as `tests/students/test_live_bytes.py` does it. What an allocator keeps of
freed blocks and what kernels allocate for themselves is not a tensor and not counted here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch

from rankgen.students.model.student_model import StudentModel

# peft's name for the dropout beside the layer that it calls base_layer.
_DROPOUT = "lora_dropout.default"
# The dropout that fused attention computes by itself, in BERT and its like.
_ATTENTION_DROPOUT = "self.dropout"
# What the layer before a gate is called: in decoders, T5 and ModernBERT.
GATED = ("gate_proj", "wi_0", "Wi")


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
        multiplied: Number of weights of linear layers, which autocast copies.
        has_dropout: Whether the layers' outputs go through a dropout.
    """

    hidden: int
    layers: int
    heads: int
    intermediate: int
    trained_weights: int
    is_gated: bool = False
    dropped: int = 0
    multiplied: int = 0
    has_dropout: bool = True


class Held(NamedTuple):
    """What a step holds, in bytes.

    Attributes:
        weights: All weights in 32 bits, and under bfloat16 the copies that each chunk of a part
            multiplies with and keeps for its backward pass.
        gradients: In 32 bits for each weight that is trained, the sum of the earlier parts and that
            of this one, which autograd adds up beside it.
        optimizer: AdamW's two moments of each.
        activations: What the forward pass keeps for the backward pass.
        temporaries: What the passes of one chunk hold for a moment.
    """

    weights: int
    gradients: int
    optimizer: int
    activations: int
    temporaries: int


def held_bytes(
    size: ModelSize, weights: int, tokens: int, is_bf16: bool, chunk_tokens: int
) -> Held:
    """Returns what a step holds in which one process trains.

    Args:
        size: The model's sizes, with the weights that are trained.
        weights: The number of all its weights.
        tokens: Tokens whose activations are held at once, padding included.
        is_bf16: Whether products are computed in bfloat16.
        chunk_tokens: Tokens of one forward pass, padding included.
    """
    copies = 2 * size.multiplied * math.ceil(tokens / chunk_tokens) if is_bf16 else 0
    return Held(
        weights=weights * 4 + copies,
        gradients=size.trained_weights * 8,
        optimizer=size.trained_weights * 8,
        activations=tokens * bytes_per_token(size, is_bf16),
        temporaries=min(tokens, chunk_tokens) * temporary_bytes_per_token(size, is_bf16),
    )


def bytes_per_token(size: ModelSize, is_bf16: bool) -> int:
    """Returns the bytes that the backward pass needs for one token.

    The number is counted from the tensors that a BERT layer with fused attention saves: in 32 bits
    nine vectors of the layer's width and two of the intermediate width, and the masks of two
    dropouts. Under autocast the matrix products save bfloat16, but every cast of an input is saved
    too. For ELECTRA-base in bfloat16 on a GPU, 420 to 440 KiB per token were counted; this function
    returns 431. A gated feed-forward part saves four vectors of the intermediate width instead of
    two, and models that have one turn query and key in 32 bits. A dropout before an adapter saves
    its mask and what it lets through, some 3 bytes for each number.
    """
    own, masks, between = (27, 4, 4) if is_bf16 else (36, 8, 8)
    if size.is_gated:
        own, between = (31, 8) if is_bf16 else (42, 16)
    if size.has_dropout:
        own += masks
    layer = own * size.hidden + between * size.intermediate
    return size.layers * (layer + 4 * size.heads) + 10 * size.hidden + 3 * size.dropped


def temporary_bytes_per_token(size: ModelSize, is_bf16: bool) -> int:
    """Returns the bytes that a chunk's pass holds for a moment for one token.

    At the peak, in the last layer's backward pass, these are slopes on both sides of the
    feed-forward part's activation and of its gate, and that of the layer's output.
    """
    between = 4 if is_bf16 else 8
    return (2 * between if size.is_gated else between) * size.intermediate + 8 * size.hidden


def size_of(model: StudentModel) -> ModelSize | None:
    """Returns the model's sizes, or None if its configuration does not give them."""
    config = model.config
    named = ("hidden_size", "num_hidden_layers", "num_attention_heads")
    if not all(isinstance(getattr(config, name, None), int) for name in named):
        return None
    hidden, layers, heads = (int(getattr(config, name)) for name in named)
    # DistilBERT calls it hidden_dim; four times the width is common.
    between = getattr(config, "intermediate_size", getattr(config, "hidden_dim", None))
    modules = dict(model.named_modules())
    linear = [of for of in modules.values() if isinstance(of, torch.nn.Linear)]
    return ModelSize(
        hidden,
        layers,
        heads,
        intermediate=int(between or 4 * hidden),
        trained_weights=sum(p.numel() for p in model.parameters() if p.requires_grad),
        is_gated=any(name.rpartition(".")[2] in GATED for name in modules),
        dropped=_dropped(modules),
        multiplied=sum(p.numel() for of in linear for p in of.parameters(recurse=False)),
        has_dropout=any(
            isinstance(of, torch.nn.Dropout)
            and of.p > 0
            and not name.endswith((_DROPOUT, _ATTENTION_DROPOUT))
            for name, of in modules.items()
        ),
    )


def _dropped(modules: dict[str, torch.nn.Module]) -> int:
    """Returns the summed widths of the linear layers whose adapters have a dropout."""
    return sum(
        base.in_features
        for name, base in modules.items()
        if isinstance(base, torch.nn.Linear)
        and isinstance(modules.get(name.replace("base_layer", _DROPOUT)), torch.nn.Dropout)
    )
