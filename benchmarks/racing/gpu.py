"""A model of RankZephyr's shape with random weights, and how near labelling comes to the peak.

Such a model writes no ids, so nothing is said of rankings. What is measured is time: every window
is read whole and answered with the tokens that a ranking has. rank-llm then leaves the order as it
was; rankgen would give the query up, so its worker is given the order as it was as the answer.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from racing.lists import RANKER

_TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")


@dataclass(frozen=True)
class Shape:
    """The sizes of a Mistral."""

    hidden: int
    inner: int
    layers: int
    heads: int
    kv_heads: int
    head: int = 128
    vocabulary: int = 32_000

    @property
    def layer_weights(self) -> int:
        """The weights of all layers, each of which takes a multiplication and an addition."""
        attention = self.hidden * self.head * (2 * self.heads + 2 * self.kv_heads)
        return self.layers * (attention + 3 * self.hidden * self.inner)

    def reading(self, tokens: float) -> float:
        """Returns the floating-point operations to read a prompt of so many tokens.

        Attention over what came before is half of a square; the vocabulary is needed once.
        """
        attention = 2 * self.layers * self.heads * self.head * tokens**2
        return 2 * self.layer_weights * tokens + attention + 2 * self.hidden * self.vocabulary


SMALL_SHAPE = Shape(hidden=256, inner=512, layers=2, heads=2, kv_heads=1)
GPU_SHAPE = Shape(hidden=4096, inner=14_336, layers=32, heads=32, kv_heads=8)


def make_model(folder: Path, shape: Shape) -> Path:
    """Writes a model folder without weights, for `load_format=dummy`, and returns it."""
    folder.mkdir(parents=True)
    config = json.loads((RANKER / "model" / "config.json").read_text())
    config |= {
        "hidden_size": shape.hidden,
        "intermediate_size": shape.inner,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads,
        "head_dim": shape.head,
        "vocab_size": shape.vocabulary,
        "rope_theta": 10_000.0,
        "rope_parameters": {"rope_theta": 10_000.0, "rope_type": "default"},
        "tie_word_embeddings": False,
        "dtype": "bfloat16",
        "torch_dtype": "bfloat16",
    }
    (folder / "config.json").write_text(json.dumps(config))
    for name in _TOKENIZER:
        shutil.copy(RANKER / "model" / name, folder / name)
    return folder


def matmul_peak(shape: Shape = GPU_SHAPE, tokens: int = 8192, seconds: float = 2.0) -> float:
    """Returns the operations a second of this machine's largest product of the model, in bfloat16.

    It is the product with the inner layer's weights, over as many tokens as a step of vLLM reads.
    """
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    left = torch.randn(tokens, shape.hidden, device=device, dtype=torch.bfloat16)
    right = torch.randn(shape.hidden, shape.inner, device=device, dtype=torch.bfloat16)
    times, began = 0, 0.0
    end = time.monotonic() + seconds
    while time.monotonic() < end or times < 3:
        torch.mm(left, right)
        if device == "cuda":
            torch.cuda.synchronize()
        # The first product chooses its kernel.
        began = began or time.monotonic()
        times += 1
    took = time.monotonic() - began
    return 2.0 * tokens * shape.hidden * shape.inner * (times - 1) / took


def share_of_peak(result: Mapping[str, Any], shape: Shape, peak: float) -> dict[str, Any]:
    """Returns the share of the peak that the prompts' reading took, by size and system.

    Decoding is left out, so that 1 is out of reach: the rest is what it and all else cost.
    """
    tokens = result["calibration"]["prompt_tokens"]
    shares = {
        size: {
            system: round(figures["windows_per_second"] * shape.reading(tokens) / peak, 4)
            for system, figures in systems.items()
        }
        for size, systems in result["sizes"].items()
    }
    return {"matmul_peak_tflops": round(peak / 1e12, 2), "share_of_peak": shares}
