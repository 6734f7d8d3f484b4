"""The bytes that a step holds for one token, as the tensors that models save for it say."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    ModernBertConfig,
    ModernBertForSequenceClassification,
)

from rankgen.students.model.adapters import Lora, with_adapters
from rankgen.students.model.loading import load_backbone
from rankgen.students.training.step_bytes import ModelSize, bytes_per_token, size_of


def test_dropouts_of_adapters_are_counted(tiny_backbone: str) -> None:
    encoder = load_backbone(tiny_backbone, seed=3, query_tokens=8, passage_tokens=16, dropout=None)
    size = size_of(with_adapters(encoder, Lora(2, 4.0, 0.1), 3).model)
    assert size is not None
    # Five inputs of the layer's width and one of the intermediate width, in two layers.
    assert size.dropped == 2 * (5 * 32 + 64)
    more = bytes_per_token(size, is_bf16=True) - bytes_per_token(replace(size, dropped=0), True)
    assert more == 3 * size.dropped


@pytest.mark.parametrize("is_bf16", [False, True])
def test_they_are_what_a_model_saves(is_bf16: bool) -> None:
    saved = [_saved_bytes_per_token(_bert(layers), is_bf16) for layers in (1, 3)]
    said = [bytes_per_token(ModelSize(256, n, 4, 1024, 0), is_bf16) for n in (1, 3)]
    assert saved[1] - saved[0] == pytest.approx(said[1] - said[0], rel=0.08)


def test_a_gated_model_saves_more() -> None:
    saved = [_saved_bytes_per_token(_modernbert(layers), is_bf16=False) for layers in (1, 3)]
    said = [
        bytes_per_token(ModelSize(256, n, 4, 512, 0, True, has_dropout=False), False)
        for n in (1, 3)
    ]
    assert saved[1] - saved[0] == pytest.approx(said[1] - said[0], rel=0.08)


def _bert(layers: int) -> torch.nn.Module:
    config = BertConfig(
        vocab_size=1000,
        hidden_size=256,
        num_hidden_layers=layers,
        num_attention_heads=4,
        intermediate_size=1024,
        # With it the CPU's attention is not fused.
        attention_probs_dropout_prob=0.0,
    )
    of_class: Any = BertForSequenceClassification
    made: torch.nn.Module = of_class(config)
    return made


def _modernbert(layers: int) -> torch.nn.Module:
    config = ModernBertConfig(
        vocab_size=1000,
        hidden_size=256,
        num_hidden_layers=layers,
        num_attention_heads=4,
        intermediate_size=512,
        pad_token_id=0,
        bos_token_id=None,
        eos_token_id=None,
        cls_token_id=1,
        sep_token_id=2,
    )
    return ModernBertForSequenceClassification(config)


def _saved_bytes_per_token(model: torch.nn.Module, is_bf16: bool) -> float:
    model.train()
    own = {p.untyped_storage().data_ptr() for p in model.parameters()}
    shapes = {p.shape for p in model.parameters()} | {p.shape[::-1] for p in model.parameters()}
    kept: dict[int, torch.Tensor] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        place = tensor.untyped_storage().data_ptr()
        # Neither the weights nor their casts grow with the tokens.
        if place not in own and tensor.shape not in shapes:
            kept[place] = tensor
        return tensor

    ids = torch.randint(5, 900, (4, 100))
    hooks = torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor)
    with hooks, torch.autocast("cpu", dtype=torch.bfloat16, enabled=is_bf16):
        model(input_ids=ids, attention_mask=torch.ones_like(ids))
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values()) / ids.numel()
