"""The forecast of a step's memory beside the tensors that are live at its peak."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from toy_training import settings_of
from transformers import AutoConfig, AutoModelForSequenceClassification

from rankgen.students.losses import parse_loss
from rankgen.students.model.adapters import Lora, with_adapters
from rankgen.students.model.cross_encoder import CrossEncoder
from rankgen.students.model.hardware import Hardware
from rankgen.students.model.loading import load_backbone
from rankgen.students.model.packed_forward import why_padded
from rankgen.students.model.scoring import length_sorted_chunks
from rankgen.students.training.batches import TokenList
from rankgen.students.training.step import Trainer
from rankgen.students.training.step_bytes import held_bytes, size_of

ROOT = Path(__file__).parents[2]
CPU = torch.device("cpu")
CHUNK = 600
SIZES = {"hidden_size": 96, "num_hidden_layers": 6, "num_attention_heads": 3, "vocab_size": 2_000}
MARKS = {"pad_token_id": 0, "cls_token_id": 1, "sep_token_id": 2}
OWN: dict[str, dict[str, int | None]] = {
    "bert": {"intermediate_size": 384},
    "electra": {"intermediate_size": 384, "embedding_size": 96},
    "modernbert": {"intermediate_size": 192, **MARKS, "bos_token_id": None, "eos_token_id": None},
}


@pytest.fixture(autouse=True)
def _benchmarks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))


def encoder_of(kind: str, dropout: float, tiny: str) -> CrossEncoder:
    """Returns a model of random weights whose vocabulary is small beside its layers."""
    config = AutoConfig.for_model(kind, num_labels=1, **SIZES, **OWN[kind])
    if kind != "modernbert":
        config.hidden_dropout_prob, config.attention_probs_dropout_prob = dropout, 0.0
    model = AutoModelForSequenceClassification.from_config(config)
    encoder = load_backbone(tiny, seed=0, query_tokens=32, passage_tokens=256, dropout=0.0)
    return replace(encoder, model=model)


def two_lists() -> list[TokenList]:
    """Pairs of few lengths, as packed attention is computed by length."""
    draw = np.random.default_rng(0)

    def text(length: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int32]]:
        return draw.integers(5, 900, size=length, dtype=np.int32)

    lists = []
    for name in "ab":
        pairs = [(text(8), text(length)) for length in (50, 60, 70, 80) for _ in range(6)]
        tokens = sum(len(query) + len(passage) + 3 for query, passage in pairs)
        lists.append(TokenList(name, pairs, tokens, np.arange(len(pairs))))
    return lists


def forecast_and_live(
    encoder: CrossEncoder, recipe: dict[str, object], is_bf16: bool
) -> tuple[int, int]:
    """Takes two steps of two parts; returns the bytes that are forecast, and those of the peak."""
    lists = two_lists()
    hardware = Hardware(CPU, is_bf16, chunk_tokens=CHUNK, step_tokens=lists[0].tokens)
    size = size_of(encoder.model)
    assert size is not None
    trainer = Trainer(encoder, parse_loss("ranknet"), settings_of(recipe), hardware, 10)
    from live_tensors import LiveTensors

    with LiveTensors([*encoder.model.parameters(), *encoder.model.buffers()]) as tensors:
        for step in range(2):
            trainer.run(step, lists)
    weights = sum(parameter.numel() for parameter in encoder.model.parameters())
    computed = computed_tokens(encoder, lists, hardware)
    return sum(held_bytes(size, weights, computed, is_bf16, CHUNK)), tensors.peak


def computed_tokens(encoder: CrossEncoder, lists: Sequence[TokenList], hardware: Hardware) -> int:
    """Returns the tokens of a part, padding included."""
    if why_padded(encoder.model, CPU, hardware.is_bf16, in_training=True) is None:
        return lists[0].tokens
    lengths = [encoder.template.length(*pair) for pair in lists[0].pairs]
    chunks = length_sorted_chunks(lengths, CHUNK)
    return sum(len(chunk) * max(lengths[row] for row in chunk) for chunk in chunks)


@pytest.mark.parametrize("is_bf16", [False, True])
@pytest.mark.parametrize(
    ("kind", "dropout"),
    [("bert", 0.0), ("bert", 0.1), ("electra", 0.0), ("modernbert", 0.0)],
)
def test_a_forecast_is_a_little_above_the_live_tensors(
    recipe: dict[str, object],
    tiny_backbone: str,
    kind: str,
    dropout: float,
    is_bf16: bool,
) -> None:
    encoder = encoder_of(kind, dropout, tiny_backbone)
    forecast, live = forecast_and_live(encoder, recipe, is_bf16)
    assert live <= forecast <= 1.3 * live


@pytest.mark.parametrize("is_bf16", [False, True])
def test_adapters_too(recipe: dict[str, object], tiny_backbone: str, is_bf16: bool) -> None:
    encoder = encoder_of("bert", 0.0, tiny_backbone)
    encoder = with_adapters(encoder, Lora(4, 8.0, 0.0), 0)
    forecast, live = forecast_and_live(encoder, recipe, is_bf16)
    assert live <= forecast <= 1.3 * live
