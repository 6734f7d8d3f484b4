"""Students that compute in bfloat16 score in 32 bits, in training too."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from public_rerankers import LAYOUTS, make
from torch import Tensor

from rankgen.students.model.cross_encoder import CrossEncoder
from rankgen.students.model.hardware import Hardware
from rankgen.students.model.loading import load_backbone, load_cross_encoder
from rankgen.students.model.scoring import forward_sorted

QUERIES = {"q": "how do birds sing"}
PASSAGES = {f"d{number}": f"passage {number} is about {number % 7} birds" for number in range(60)}
NAMED = [("q", doc_id) for doc_id in PASSAGES]
BF16, FP32 = (Hardware(torch.device("cpu"), is_bf16, 2_400, 24_000) for is_bf16 in (True, False))


def scores(encoder: CrossEncoder, hardware: Hardware) -> Tensor:
    return forward_sorted(encoder, encoder.pairs(QUERIES, PASSAGES, NAMED), hardware)


def assert_wide(narrow: Tensor) -> None:
    assert narrow.dtype == torch.float32
    assert (narrow != narrow.bfloat16()).float().mean() > 0.8


@pytest.mark.parametrize("layout", LAYOUTS)
def test_scores_are_not_rounded_to_16_bits(layout: str, tmp_path: Path, minilm: str) -> None:
    encoder = load_cross_encoder(str(make(layout, tmp_path / "model", minilm)))
    with torch.inference_mode():
        narrow, wide = scores(encoder, BF16), scores(encoder, FP32)
    assert_wide(narrow)
    assert not torch.equal(narrow, wide)
    assert (narrow - wide).abs().mean() < 0.3 * wide.std() + 0.02
    encoder.model.train()
    trained = scores(encoder, BF16)
    assert_wide(trained)
    trained.sum().backward()
    assert all(weight.grad is not None for weight in encoder.model.parameters())


def test_weights_keep_their_names(tiny_backbone: str, tmp_path: Path) -> None:
    encoder = load_backbone(tiny_backbone, seed=0, query_tokens=8, passage_tokens=16, dropout=0.0)
    names = set(encoder.model.state_dict())
    encoder.save(tmp_path / "saved")
    assert set(load_cross_encoder(str(tmp_path / "saved")).model.state_dict()) == names
