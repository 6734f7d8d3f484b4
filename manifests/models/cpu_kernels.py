"""The faster of two ways to compute linear layers and attention on a CPU.

Linear layers in 32 bits: PyTorch asks Intel's MKL, which leaves the wider instructions of other
makers' processors unused. PyTorch's other library, oneDNN, goes by the instructions alone.

Attention in bfloat16: PyTorch's backward pass for it takes two to three times as long as that in
32 bits, so in training attention is computed in 32 bits from the same numbers.

Measured by `benchmarks/cpu_kernels.py`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import linear, scaled_dot_product_attention
from torch.overrides import TorchFunctionMode


def fast_kernels(device_type: str) -> AbstractContextManager[object]:
    """Returns a context in which models compute with the faster kernels.

    Results differ only by rounding, as they do between two processors. On a GPU nothing changes.

    Args:
        device_type: "cpu" or "cuda". Under autocast, ask within it.
    """
    # A context costs every operation a call.
    if device_type == "cpu" and (prefers_onednn() or torch.is_autocast_enabled("cpu")):
        return _FastKernels()
    return nullcontext()


@functools.cache
def prefers_onednn() -> bool:
    """Tells whether linear layers in 32 bits are computed by oneDNN here.

    The processor's maker decides, and no measurement, so that all processes of a machine agree.
    """
    return (
        # PyTorch does not type these two, nor `apply` below.
        torch.backends.mkl.is_available()  # type: ignore[no-untyped-call]
        and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
        and processor_maker() not in (None, "GenuineIntel")
    )


def processor_maker(facts: Path = Path("/proc/cpuinfo")) -> str | None:
    """Returns the name that a processor gives its maker, or None where the system does not tell."""
    try:
        lines = facts.read_text(errors="replace").splitlines()
    except OSError:
        return None
    named = (line.partition(":") for line in lines)
    return next((value.strip() for name, _, value in named if name.strip() == "vendor_id"), None)


class _FastKernels(TorchFunctionMode):
    def __torch_function__(
        self,
        # The signature is PyTorch's, which names no types.
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        own = _OWN.get(func, func)
        return own(*args, **(kwargs or {}))


# Parameters of both are named as in PyTorch.
def _linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    is_wide = input.dtype == weight.dtype == torch.float32 and input.numel() > 0
    if not is_wide or torch.is_autocast_enabled("cpu") or not prefers_onednn():
        return linear(input, weight, bias)
    product: Tensor = _Product.apply(input, weight, bias)  # type: ignore[no-untyped-call]
    return product


def _attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    *args: Any,
    **kwargs: Any,
) -> Tensor:
    is_narrow = query.dtype == torch.bfloat16 or torch.is_autocast_enabled("cpu")
    # Inference has no backward pass; a pass without gradients may have one later.
    if not is_narrow or torch.is_inference_mode_enabled():
        return scaled_dot_product_attention(query, key, value, attn_mask, *args, **kwargs)
    if attn_mask is not None and attn_mask.is_floating_point():
        attn_mask = attn_mask.float()
    with torch.autocast("cpu", enabled=False):
        mixed = scaled_dot_product_attention(
            query.float(), key.float(), value.float(), attn_mask, *args, **kwargs
        )
    return mixed.bfloat16()


_OWN: Mapping[Callable[..., Any], Callable[..., Any]] = {
    linear: _linear,
    scaled_dot_product_attention: _attention,
}


class _Product(torch.autograd.Function):
    """`rows @ weight.T + bias`."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(rows, weight)
        return _multiplied(rows, weight, bias)

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor | None, ...]:
        (slope,) = slopes
        rows, weight = ctx.saved_tensors
        of_rows = of_weight = of_bias = None
        flat = slope.reshape(-1, slope.shape[-1])
        if ctx.needs_input_grad[0]:
            of_rows = _multiplied(slope, weight.T)
        if ctx.needs_input_grad[1]:
            of_weight = _multiplied(flat.T, rows.reshape(-1, rows.shape[-1]).T)
        if ctx.needs_input_grad[2]:
            of_bias = flat.sum(0)
        return of_rows, of_weight, of_bias


def _multiplied(rows: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    # PyTorch has no public name for it.
    product: Tensor = torch.ops.mkldnn._linear_pointwise(rows, weight, bias, "none", [], "")
    return product
