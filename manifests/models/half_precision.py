"""Whether matrix products in 16 bits are fast: asked of a GPU, measured on a CPU.

A CPU without instructions for a format computes it all the same, by converting every number, and
then takes up to a hundred times as long as in 32 bits. What the processor says of itself does not
settle it: libraries may be told, or built, to leave instructions unused.
"""

from __future__ import annotations

import functools
import math
import time
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import torch

HalfFormat = Literal["bfloat16", "float16"]

# Below it the conversions around the products eat up what the products gain.
WORTHWHILE = 1.5
# Above it nobody would notice.
SLOW = 0.8
# Some passages' tokens times a layer of MiniLM.
_TOKENS, _WIDTH = 256, 384
# A slow format shows itself in two rounds, each up to a tenth of a second.
_ROUNDS, _FEWEST_ROUNDS, _SECONDS = 20, 2, 0.1


def is_fast(half: HalfFormat, device_type: str) -> bool:
    """Says whether a device is clearly faster with a 16-bit format than in 32 bits.

    Args:
        half: The format.
        device_type: "cpu" or "cuda".
    """
    return speedup(half, device_type) >= WORTHWHILE


def slowness(half: HalfFormat, device_type: str) -> str | None:
    """Returns how slow a format is on a device, in words that end a sentence; None if it is not.

    Args:
        half: The format.
        device_type: "cpu" or "cuda".
    """
    factor = speedup(half, device_type)
    if factor >= SLOW:
        return None
    if device_type != "cpu":
        return "this GPU only emulates it"
    return f"its matrix products take {1 / factor:.1f} times as long as those in 32 bits"


def speedup(half: HalfFormat, device_type: str) -> float:
    """Returns how many times as fast a device multiplies matrices in 16 bits as in 32.

    A CPU is measured, once in a process: some milliseconds, a fifth of a second on a slow one. A
    GPU is not: the value is 2 where it has the format and 0.5 where it only emulates it (the
    generations before Ampere emulate bfloat16).
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
    # Threads that wait for each other on a busy machine would measure the other work.
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
        # In turns, so that a busy moment of the machine hits both.
        best_wide = min(best_wide, _seconds(*wide))
        best_narrow = min(best_narrow, _seconds(*narrow))
    return best_wide / best_narrow


def _seconds(rows: torch.Tensor, weights: torch.Tensor) -> float:
    import torch

    with torch.inference_mode():
        began = time.perf_counter()
        torch.nn.functional.linear(rows, weights)
        return time.perf_counter() - began
