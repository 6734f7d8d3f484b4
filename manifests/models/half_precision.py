"""Whether matrix products in 16 bits are fast: read from a GPU's properties, measured on a CPU.

A CPU without instructions for a format still computes in it, by converting every number, and then
takes up to a hundred times as long as in 32 bits. The processor's own feature list does not settle
the question, because libraries may be told, or built, to leave instructions unused.
"""

from __future__ import annotations

import functools
import math
import time
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import torch

HalfFormat = Literal["bfloat16", "float16"]

# At lower speedups the conversions around the products take more time than the products save.
WORTHWHILE = 1.5
# A smaller slowdown than this is not worth a warning.
SLOW = 0.8
# The tokens of a few passages times the width of a MiniLM layer.
_TOKENS, _WIDTH = 256, 384
# Two rounds, of up to a tenth of a second each, are enough to recognise a slow format.
_ROUNDS, _FEWEST_ROUNDS, _SECONDS = 20, 2, 0.1


def is_fast(half: HalfFormat, device_type: str) -> bool:
    """Tells whether a device, "cpu" or "cuda", is clearly faster in 16 bits than in 32."""
    return speedup(half, device_type) >= WORTHWHILE


def slowness(half: HalfFormat, device_type: str) -> str | None:
    """Returns how slow a format is, as the end of a sentence; None if it is not slow."""
    factor = speedup(half, device_type)
    if factor >= SLOW:
        return None
    if device_type != "cpu":
        return "this GPU only emulates it"
    return f"its matrix products take {1 / factor:.1f} times as long as those in 32 bits"


def precision_recipe(precision: str) -> dict[str, str]:
    """Returns what of a precision, "fp32" or "bf16", decides a student's scores."""
    # Scores had 16 bits too in earlier versions.
    return {"precision": precision, **({"scores": "fp32"} if precision == "bf16" else {})}


def speedup(half: HalfFormat, device_type: str) -> float:
    """Returns the speed of matrix products in 16 bits, as a multiple of that in 32 bits.

    A CPU is measured once per process, which takes some milliseconds, or a fifth of a second on a
    slow one. A GPU is not measured: the value is 2 where it has the format and 0.5 where it only
    emulates it, as GPUs older than Ampere emulate bfloat16.
    """
    if device_type == "cpu":
        return _cpu_speedup(half)
    import torch

    has_it = half == "float16" or torch.cuda.is_bf16_supported(including_emulation=False)
    return 2.0 if has_it else 0.5


@functools.cache
def _cpu_speedup(half: HalfFormat) -> float:
    import torch

    threads = torch.get_num_threads()
    # With several threads, waiting for each other on a busy machine would distort the measurement.
    torch.set_num_threads(1)
    try:
        return _timed_speedup(getattr(torch, half))
    finally:
        torch.set_num_threads(threads)


def _timed_speedup(half: torch.dtype) -> float:
    import torch

    wide, narrow = (
        (torch.ones(_TOKENS, _WIDTH, dtype=kind), torch.ones(_WIDTH, _WIDTH, dtype=kind))
        for kind in (torch.float32, half)
    )
    # The first products also compile their kernels, so they do not count.
    for factors in (wide, narrow):
        _seconds(*factors)
    best_wide = best_narrow = math.inf
    began = time.perf_counter()
    for number in range(_ROUNDS):
        if number >= _FEWEST_ROUNDS and time.perf_counter() - began > _SECONDS:
            break
        # Alternate, so that a busy moment of the machine affects both.
        best_wide = min(best_wide, _seconds(*wide))
        best_narrow = min(best_narrow, _seconds(*narrow))
    return best_wide / best_narrow


def _seconds(rows: torch.Tensor, weights: torch.Tensor) -> float:
    import torch

    from rankgen.manifests.models.cpu_kernels import fast_kernels

    with torch.inference_mode(), fast_kernels("cpu"):
        began = time.perf_counter()
        torch.nn.functional.linear(rows, weights)
        return time.perf_counter() - began
