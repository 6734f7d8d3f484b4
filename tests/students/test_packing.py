"""Packed scores and gradients are those of the model's own padded forward pass."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    DistilBertConfig,
    DistilBertForSequenceClassification,
    ElectraConfig,
    ElectraForSequenceClassification,
    PreTrainedModel,
    RobertaConfig,
    RobertaForSequenceClassification,
    XLMRobertaConfig,
    XLMRobertaForSequenceClassification,
)

from rankgen.students.model.packed_forward import is_packable, packed_logits
from rankgen.students.model.packing import pack
from rankgen.students.model.pair_template import Pair, PairTemplate

CPU = torch.device("cpu")
SMALL = {
    "vocab_size": 200,
    "hidden_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 96,
    "max_position_embeddings": 80,
    "num_labels": 1,
    # Wide enough that scores differ visibly.
    "initializer_range": 0.3,
    "pad_token_id": 1,
}
MODELS = {
    "bert": (BertForSequenceClassification, BertConfig, {}),
    "electra": (ElectraForSequenceClassification, ElectraConfig, {"embedding_size": 24}),
    "roberta": (RobertaForSequenceClassification, RobertaConfig, {"type_vocab_size": 1}),
    "xlm-roberta": (XLMRobertaForSequenceClassification, XLMRobertaConfig, {"type_vocab_size": 1}),
}


def template(has_types: bool) -> PairTemplate:
    ends = [np.array([i], dtype=np.int32) for i in (2, 3, 3)]
    return PairTemplate(*ends, types=(0, 0, 0, 1, 1) if has_types else None, pad_id=1)


def pairs_of(lengths: Sequence[int]) -> list[Pair]:
    draw = np.random.default_rng(0)
    return [
        (
            draw.integers(4, 200, 1 + n % 5).astype(np.int32),
            draw.integers(4, 200, n).astype(np.int32),
        )
        for n in lengths
    ]


def model_of(name: str, dropout: float = 0.0) -> PreTrainedModel:
    kind, config, more = MODELS[name]
    torch.manual_seed(0)
    settings = {**SMALL, **more}
    settings |= {"hidden_dropout_prob": dropout, "attention_probs_dropout_prob": dropout}
    model: PreTrainedModel = kind(config(**settings))
    return model.eval()


def gradient(model: PreTrainedModel, scores: Tensor) -> Tensor:
    model.zero_grad()
    (scores * torch.linspace(-1, 1, len(scores))).sum().backward()
    parts = [
        (torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in model.parameters()
    ]
    return torch.cat(parts)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("lengths", [[60, 41, 41, 41, 7, 7, 3, 1, 0], [5], [0, 60, 3, 60]])
def test_scores_and_gradients(name: str, lengths: list[int]) -> None:
    model, of_pairs = model_of(name), template("roberta" not in name)
    pairs = pairs_of(lengths)
    assert is_packable(model, CPU, is_bf16=False)
    packed = packed_logits(model, pack(of_pairs, pairs))[:, 0]
    padded = model(**of_pairs.collate(pairs)).logits[:, 0]
    if len(pairs) > 1:
        assert padded.std() > 0.01
    torch.testing.assert_close(packed, padded, rtol=0, atol=1e-5)
    ours, theirs = gradient(model, packed), gradient(model, padded)
    assert theirs.norm() > 1e-2
    assert (ours - theirs).norm() < 1e-5 * theirs.norm()


@pytest.mark.parametrize("name", MODELS)
def test_dropout_is_the_model_s(name: str) -> None:
    model, of_pairs = model_of(name, dropout=0.2), template("roberta" not in name)
    packed = pack(of_pairs, pairs_of([9, 4]))
    still = packed_logits(model, packed)[:, 0]
    assert torch.equal(still, packed_logits(model, packed)[:, 0])
    model.train()
    noisy = torch.stack([packed_logits(model, packed)[:, 0] for _ in range(300)]).detach()
    assert (noisy.std(dim=0) > 0).all()
    inputs = of_pairs.collate(pairs_of([9, 4]))
    padded = torch.stack([model(**inputs).logits[:, 0] for _ in range(300)]).detach()
    # Means of 300 draws: their difference is within some standard errors.
    error = (noisy.std(dim=0) ** 2 / 300 + padded.std(dim=0) ** 2 / 300).sqrt()
    assert ((noisy.mean(dim=0) - padded.mean(dim=0)).abs() < 5 * error).all()
    assert (noisy.std(dim=0) / padded.std(dim=0) - 1).abs().max() < 0.3


def test_what_is_padded_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))
    config = DistilBertConfig(vocab_size=9, dim=8, n_layers=1, n_heads=2, hidden_dim=8)
    assert not is_packable(DistilBertForSequenceClassification(config), CPU, is_bf16=False)
    gpu, model = torch.device("cuda"), model_of("bert", dropout=0.1)
    assert is_packable(model, gpu, is_bf16=True)
    assert not is_packable(model, gpu, is_bf16=False)
    assert not is_packable(model.train(), gpu, is_bf16=True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (7, 5))
    assert not is_packable(model.eval(), gpu, is_bf16=True)


def test_a_pack_is_the_padded_rows_end_to_end() -> None:
    pairs = pairs_of([4, 2, 2])
    packed, rows = pack(template(True), pairs), template(True).collate(pairs)
    there = rows["attention_mask"].bool()
    assert torch.equal(packed.ids, rows["input_ids"][there])
    assert packed.types is not None
    assert torch.equal(packed.types, rows["token_type_ids"][there])
    lengths = there.sum(dim=1)
    assert packed.starts.tolist() == [0, *lengths.cumsum(0).tolist()]
    assert packed.longest == int(lengths.max())
    assert sum(count * length for count, length in packed.groups) == len(packed.ids)
