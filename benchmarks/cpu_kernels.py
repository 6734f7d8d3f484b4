"""Linear layers in 32 bits by MKL and by oneDNN, and attention in 16 and 32 bits, on this CPU.

    python benchmarks/cpu_kernels.py [ROUNDS]

The shapes are those of a chunk of 2,400 tokens in MiniLM (384 wide) and ELECTRA-base (768 wide),
forwards and with all gradients; attention is that of 25 pairs of 96 tokens. Both ways of each are
computed in turns; seconds are medians. `manifests/models/cpu_kernels.py` goes by these figures.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Mapping

import torch
from results_file import write_results
from torch import Tensor
from torch.nn.functional import linear, scaled_dot_product_attention

from rankgen.manifests.models import cpu_kernels
from rankgen.manifests.models.cpu_kernels import fast_kernels

TOKENS, PAIRS, LENGTH, HEADS, SIZE = 2_400, 25, 96, 12, 32
WIDTHS = {"MiniLM": 384, "ELECTRA-base": 768}
Work = Callable[[], object]


def of_linear(width: int, *, is_training: bool) -> dict[str, Work]:
    """Returns the two ways to compute a feed-forward part's first layer."""
    rows = torch.randn(TOKENS, width, requires_grad=is_training)
    weight = torch.randn(4 * width, width, requires_grad=is_training)
    bias = torch.randn(4 * width, requires_grad=is_training)
    slope = torch.randn(TOKENS, 4 * width)

    def computed() -> object:
        found = linear(rows, weight, bias)
        return torch.autograd.grad(found, (rows, weight, bias), slope) if is_training else found

    def by_onednn() -> object:
        with fast_kernels("cpu"):
            return computed()

    return {"MKL": computed, "oneDNN": by_onednn}


def of_attention() -> dict[str, Work]:
    """Returns attention and its gradients from numbers of 16 bits, in 16 bits and in 32."""
    parts = [
        torch.randn(PAIRS, HEADS, LENGTH, SIZE, dtype=torch.bfloat16, requires_grad=True)
        for _ in range(3)
    ]

    def computed() -> tuple[Tensor, ...]:
        found = scaled_dot_product_attention(*parts)
        return torch.autograd.grad(found, parts, torch.ones_like(found))

    def wide() -> tuple[Tensor, ...]:
        with fast_kernels("cpu"):
            return computed()

    return {"16 bits": computed, "32 bits": wide}


def medians(ways: Mapping[str, Work], rounds: int) -> dict[str, float]:
    """Returns the milliseconds of each, computed in turns, and how often the last is faster."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 2):
        for name, work in ways.items():
            began = time.perf_counter()
            work()
            if number >= 2:
                seconds[name].append(time.perf_counter() - began)
    first, last = seconds.values()
    ratio = statistics.median(a / b for a, b in zip(first, last, strict=True))
    found = {name: round(1e3 * statistics.median(values), 2) for name, values in seconds.items()}
    return {**found, "times faster": round(ratio, 2)}


def main() -> None:
    """Measures, prints and writes the result."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    maker = cpu_kernels.processor_maker()
    chosen = cpu_kernels.prefers_onednn()
    # Both are measured, whichever is chosen.
    cpu_kernels.prefers_onednn = lambda: True
    result = {
        "what": "milliseconds of a layer's products and attention on the CPU",
        "rounds": rounds,
        "threads": torch.get_num_threads(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "processor_maker": maker,
        "oneDNN_is_chosen": chosen,
        "linear": {
            f"{name}, {kind}": medians(of_linear(width, is_training=kind == "gradients"), rounds)
            for name, width in WIDTHS.items()
            for kind in ("forwards", "gradients")
        },
        "attention_with_gradients": medians(of_attention(), rounds),
    }
    print(write_results("cpu_kernels", result))


if __name__ == "__main__":
    main()
