"""What a training step of public backbones holds on an A100 of 40 GiB, by the forecast's formula.

From the sizes in their configurations; nothing is measured and no weight is read.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch

from rankgen.students.model.hardware import CHUNK_TOKENS, STEP_TOKENS
from rankgen.students.training.memory_forecast import CUDA_BYTES, GIB
from rankgen.students.training.step_bytes import held_bytes, size_of
from rankgen.students.training.step_memory import MARGIN, PADDING, fitting_tokens

GPU_GIB = 40
LONGEST = 32 + 256 + 3


class Public(NamedTuple):
    """The sizes in a public model's config.json, and whether it is trained without padding."""

    kind: str
    hidden: int
    layers: int
    heads: int
    intermediate: int
    vocabulary: int
    is_packed: bool


PUBLIC: dict[str, Public] = {
    "google/electra-base-discriminator": Public("electra", 768, 12, 12, 3072, 30_522, True),
    "google/electra-large-discriminator": Public("electra", 1024, 24, 16, 4096, 30_522, True),
    "FacebookAI/roberta-base": Public("roberta", 768, 12, 12, 3072, 50_265, True),
    "FacebookAI/roberta-large": Public("roberta", 1024, 24, 16, 4096, 50_265, True),
    "answerdotai/ModernBERT-base": Public("modernbert", 768, 22, 12, 1152, 50_368, False),
    "answerdotai/ModernBERT-large": Public("modernbert", 1024, 28, 16, 2624, 50_368, False),
    "jhu-clsp/ettin-encoder-68m": Public("modernbert", 512, 19, 8, 768, 50_368, False),
    "jhu-clsp/ettin-encoder-400m": Public("modernbert", 1024, 28, 16, 2624, 50_368, False),
}


def config_of(kind: str, **sizes: int) -> Any:
    """Returns the configuration of a one-output model of a kind."""
    from transformers import AutoConfig

    return AutoConfig.for_model(kind, num_labels=1, **sizes)


def on_the_gpu(public: Public, is_bf16: bool) -> dict[str, object]:
    """Returns what a step of a public backbone holds on the GPU, by the formula."""
    from transformers import AutoModelForSequenceClassification

    sizes = {
        "hidden_size": public.hidden,
        "num_hidden_layers": public.layers,
        "num_attention_heads": public.heads,
        "intermediate_size": public.intermediate,
        "vocab_size": public.vocabulary,
    }
    if public.kind == "electra":
        sizes["embedding_size"] = public.hidden
    with torch.device("meta"):
        model = AutoModelForSequenceClassification.from_config(config_of(public.kind, **sizes))
    weights = sum(parameter.numel() for parameter in model.parameters())
    size = size_of(model)
    assert size is not None
    padding = 1.0 if public.is_packed and is_bf16 else PADDING["cuda"]
    tokens = fitting_tokens(
        GPU_GIB * GIB - CUDA_BYTES - 4 * weights,
        size,
        is_bf16=is_bf16,
        margin=MARGIN["cuda"],
        most=STEP_TOKENS["cuda"],
        least=LONGEST,
        padding=padding,
        chunk_tokens=CHUNK_TOKENS["cuda"],
    )
    chunk_tokens = min(tokens, CHUNK_TOKENS["cuda"])
    held = held_bytes(size, weights, round(tokens * padding), is_bf16, chunk_tokens)
    return {
        "weights_million": round(weights / 1e6, 1),
        "precision": "bf16" if is_bf16 else "fp32",
        "packed": padding == 1,
        "step_tokens": tokens,
        "gib": {name: round(value / GIB, 2) for name, value in held._asdict().items()},
        "peak_gib": round(sum(held) / GIB, 1),
        "fits": sum(held) <= GPU_GIB * GIB - CUDA_BYTES,
    }


def table() -> dict[str, dict[str, object]]:
    """Returns each backbone's row in bfloat16 and in 32 bits."""
    return {
        f"{name}, {'bf16' if is_bf16 else 'fp32'}": on_the_gpu(public, is_bf16)
        for name, public in PUBLIC.items()
        for is_bf16 in (True, False)
    }
