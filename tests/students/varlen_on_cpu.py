"""The kernel of packed attention, which PyTorch has for GPUs only, written out for the CPU."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn.attention import varlen

# The longest query and the longest key span of each call.
CALLS: list[tuple[int, int]] = []


@functools.cache
def register_varlen_on_cpu() -> None:
    """Gives PyTorch's operator and its gradient kernels for the CPU, for the process's life."""
    varlen._varlen_attn.register_kernel("cpu", _forward)
    varlen._varlen_attn_backward.register_kernel("cpu", _backward)


def _forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    starts_q: Tensor,
    starts_k: Tensor,
    max_q: int,
    max_k: int,
    is_causal: bool = False,
    scale: float | None = None,
    window_size: list[int] | None = None,
    enable_gqa: bool = False,
    *others: None,
) -> tuple[Tensor, Tensor, Tensor]:
    assert (is_causal, scale, window_size, enable_gqa) == (False, None, [-1, -1], False)
    assert not any(other is not None for other in others)
    _check_spans(query, starts_q, max_q)
    _check_spans(key, starts_k, max_k)
    CALLS.append((max_q, max_k))
    found = torch.empty_like(query)
    for asking, asked in _spans(starts_q, starts_k):
        weights = _weights(query[asking], key[asked])
        found[asking] = (weights @ value[asked].transpose(0, 1)).transpose(0, 1)
    nothing = query.new_zeros(query.shape[1], len(query), dtype=torch.float32)
    return found, nothing, torch.zeros(2, dtype=torch.uint64)


def _backward(
    slope: Tensor,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    out: Tensor,
    lse: Tensor,
    starts_q: Tensor,
    starts_k: Tensor,
    *others: object,
) -> tuple[Tensor, Tensor, Tensor]:
    of_query, of_key, of_value = (torch.empty_like(each) for each in (query, key, value))
    for asking, asked in _spans(starts_q, starts_k):
        q, k, v = (t.transpose(0, 1) for t in (query[asking], key[asked], value[asked]))
        weights, given = _weights(query[asking], key[asked]), slope[asking].transpose(0, 1)
        of_weights = given @ v.transpose(1, 2)
        of_products = weights * (of_weights - (of_weights * weights).sum(-1, keepdim=True))
        of_products = of_products / q.shape[-1] ** 0.5
        of_query[asking] = (of_products @ k).transpose(0, 1)
        of_key[asked] = (of_products.transpose(1, 2) @ q).transpose(0, 1)
        of_value[asked] = (weights.transpose(1, 2) @ given).transpose(0, 1)
    return of_query, of_key, of_value


def _check_spans(tensor: Tensor, starts: Tensor, longest: int) -> None:
    """Checks what flash attention takes for granted, and would read other memory without."""
    assert tensor.dim() == 3
    assert tensor.stride(-1) == 1
    assert starts.dtype == torch.int32
    assert starts[0] == 0
    assert starts[-1] == len(tensor)
    assert int(starts.diff().min()) > 0
    assert int(starts.diff().max()) == longest


def _spans(starts_q: Tensor, starts_k: Tensor) -> Iterator[tuple[slice, slice]]:
    ends = zip(*(starts.tolist() for starts in (starts_q, starts_k)), strict=True)
    first, first_key = next(ends)
    for last, last_key in ends:
        yield slice(first, last), slice(first_key, last_key)
        first, first_key = last, last_key


def _weights(query: Tensor, key: Tensor) -> Tensor:
    """Returns softmax(q k' / sqrt(width)) of one span, (heads, queries, keys)."""
    products = query.transpose(0, 1) @ key.permute(1, 2, 0)
    return (products / query.shape[-1] ** 0.5).softmax(dim=-1)
