"""The forward pass of BERT-like cross-encoders over packed pairs.

It calls the model's own modules, so that weights, dropout and gradients are the model's. Two things
are left out because they do not affect scores: padding, and in the last layer all tokens but the
first of each pair, the only one that the head reads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, cast

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from rankgen.students.model.packing import PackedPairs
from rankgen.students.model.student_model import HeadedModel, StudentModel

# These share the names of their modules; pairs of others (DeBERTa, ModernBERT) are padded.
PACKABLE = frozenset({"bert", "electra", "roberta", "xlm-roberta"})

Pure = Callable[[Tensor], Tensor]


class _SelfAttention(Protocol):
    query: Pure
    key: Pure
    value: Pure
    num_attention_heads: int
    attention_head_size: int
    dropout: torch.nn.Dropout
    training: bool


class _Attention(Protocol):
    self: _SelfAttention
    output: Callable[[Tensor, Tensor], Tensor]


class Layer(Protocol):
    """A BERT-like layer, by the names of its modules."""

    attention: _Attention
    intermediate: Pure
    output: Callable[[Tensor, Tensor], Tensor]


class _Encoder(Protocol):
    layer: Sequence[Layer]


class _Base(Protocol):
    embeddings: Callable[..., Tensor]
    embeddings_project: Pure
    encoder: _Encoder
    pooler: Pure


class _Classifier(Protocol):
    base_model: _Base
    dropout: Pure
    classifier: Pure


def is_packable(model: StudentModel, device: torch.device, is_bf16: bool) -> bool:
    """Tells whether `packed_logits` can compute this model here."""
    return why_padded(model, device, is_bf16, in_training=model.training) is None


def why_padded(
    model: StudentModel, device: torch.device, is_bf16: bool, *, in_training: bool
) -> str | None:
    """Returns why pairs of this model are padded here, or None if they are packed.

    On a GPU the kernel for varying lengths is flash attention (Ampere or newer), which works in 16
    bits and, in PyTorch's version, without dropout.
    """
    config = model.config
    if isinstance(model, HeadedModel) and not model.reads_first_token:
        return "a head that reads more than the first token cannot be packed"
    if config.model_type not in PACKABLE or getattr(config, "is_decoder", False):
        return f"models of type {config.model_type} cannot be packed"
    positions = getattr(config, "position_embedding_type", "absolute")
    if positions != "absolute":
        return f"models with {positions} positions cannot be packed"
    if device.type == "cpu":
        return None
    if not is_bf16:
        return "on a GPU only bf16 can be packed (--precision bf16)"
    if not _has_flash_attention(device):
        return "only GPUs from Ampere on (A100, RTX 30) can compute packed pairs"
    dropout = config.attention_probs_dropout_prob
    if in_training and dropout > 0:
        return (
            f"on a GPU packed attention has no dropout, but the backbone's is {dropout:g} "
            "(--attention-dropout 0 packs them, but is another recipe)"
        )
    return None


def _has_flash_attention(device: torch.device) -> bool:
    return torch.cuda.get_device_capability(device) >= (8, 0)


def packed_logits(model: StudentModel, packed: PackedPairs) -> Tensor:
    """Returns the logits of each pair, shape (pairs, outputs)."""
    parts = cast(_Classifier, model)
    base = parts.base_model
    reserved = model.config.pad_token_id + 1 if "roberta" in model.config.model_type else 0
    embedded = base.embeddings(
        input_ids=packed.ids[None],
        position_ids=packed.places[None] + reserved,
        token_type_ids=None if packed.types is None else packed.types[None],
    )
    if hasattr(base, "embeddings_project"):
        embedded = base.embeddings_project(embedded)
    hidden = embedded[0]
    *layers, last = base.encoder.layer
    for layer in layers:
        hidden = _layer(layer, hidden, packed)
    firsts = _layer(last, hidden, packed, only_firsts=True)[:, None]
    if isinstance(model, HeadedModel):
        return model.logits_of_firsts(firsts[:, 0])
    if model.config.model_type == "bert":
        firsts = parts.dropout(base.pooler(firsts))
    return parts.classifier(firsts)


def _layer(
    layer: Layer, hidden: Tensor, packed: PackedPairs, *, only_firsts: bool = False
) -> Tensor:
    """Returns the layer's output, shape (tokens, width), or (pairs, width) for first tokens."""
    own = layer.attention.self
    dropout = own.dropout.p if own.training else 0.0

    def mixed(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        if hidden.device.type == "cpu":
            return _by_groups(query, key, value, packed, dropout, only_firsts)
        return _by_kernel(query, key, value, packed, only_firsts)

    asking = hidden[packed.starts[:-1].long()] if only_firsts else hidden
    return layer_output(layer, hidden, asking, mixed)


def layer_output(
    layer: Layer, hidden: Tensor, asking: Tensor, mixed: Callable[[Tensor, Tensor, Tensor], Tensor]
) -> Tensor:
    """Returns the layer's output for some of its tokens.

    Args:
        layer: A layer of a model of one of the types `PACKABLE`.
        hidden: All tokens, shape (..., width).
        asking: Those that attend to the others, shape (..., width).
        mixed: Returns what they attend to, from query, key and value, shape (..., heads, size).

    Returns:
        A tensor of the shape of `asking`.
    """
    attention = layer.attention
    own = attention.self

    def heads(tensor: Tensor) -> Tensor:
        return tensor.view(*tensor.shape[:-1], own.num_attention_heads, own.attention_head_size)

    found = mixed(heads(own.query(asking)), heads(own.key(hidden)), heads(own.value(hidden)))
    attended = attention.output(found.reshape(asking.shape), asking)
    return layer.output(layer.intermediate(attended), attended)


def _by_groups(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    packed: PackedPairs,
    dropout: float,
    only_firsts: bool,
) -> Tensor:
    """Attends within pairs; neighbours of equal length form a batch without padding."""
    tokens = [count * length for count, length in packed.groups]
    asking = [count for count, _ in packed.groups] if only_firsts else tokens
    mixed: list[Tensor] = []
    # Split, not sliced: the backward pass of each slice would fill a tensor for all tokens.
    for (count, length), asked, keys, values in zip(
        packed.groups,
        torch.split(query, asking),
        torch.split(key, tokens),
        torch.split(value, tokens),
        strict=True,
    ):
        found = scaled_dot_product_attention(
            asked.view(count, -1, *query.shape[1:]).transpose(1, 2),
            keys.view(count, length, *key.shape[1:]).transpose(1, 2),
            values.view(count, length, *value.shape[1:]).transpose(1, 2),
            dropout_p=dropout,
        )
        mixed.append(found.transpose(1, 2).flatten(0, 1))
    return torch.cat(mixed)


def _by_kernel(
    query: Tensor, key: Tensor, value: Tensor, packed: PackedPairs, only_firsts: bool
) -> Tensor:
    from torch.nn.attention.varlen import varlen_attn

    starts, longest = packed.starts, packed.longest
    asking = torch.arange(len(starts), device=starts.device, dtype=starts.dtype)
    found = varlen_attn(
        query,
        key,
        value,
        asking if only_firsts else starts,
        starts,
        1 if only_firsts else longest,
        longest,
    )
    return cast(Tensor, found)
