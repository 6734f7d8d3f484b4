"""Encoders of every family are trained, saved and loaded by plain transformers; tiny, random."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from toy_training import settings_of
from transformers import (
    AutoModel,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DebertaV2Config,
    DistilBertConfig,
    ElectraConfig,
    ModernBertConfig,
    PretrainedConfig,
)

from rankgen.students.model.hardware import choose_hardware
from rankgen.students.model.loading import load_backbone, load_cross_encoder
from rankgen.students.model.scoring import score_pairs
from rankgen.students.training.train import train_student

VOCABULARY = 30522
SHAPE = {"vocab_size": VOCABULARY, "initializer_range": 0.2, "pad_token_id": 0}
SIZES = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2}
SIZES |= {"intermediate_size": 64, "max_position_embeddings": 320}
CONFIGS: dict[str, PretrainedConfig] = {
    # As in DeBERTa-v3: relative positions only, and no token types.
    "deberta": DebertaV2Config(
        **SHAPE,
        **SIZES,
        type_vocab_size=0,
        relative_attention=True,
        position_buckets=16,
        norm_rel_ebd="layer_norm",
        share_att_key=True,
        pos_att_type=["p2c", "c2p"],
        position_biased_input=False,
    ),
    "modernbert": ModernBertConfig(
        **SHAPE, **SIZES, local_attention=8, cls_token_id=101, sep_token_id=102
    ),
    "distilbert": DistilBertConfig(
        **SHAPE, dim=32, n_layers=3, n_heads=2, hidden_dim=64, max_position_embeddings=320
    ),
    "electra": ElectraConfig(**SHAPE, **SIZES, embedding_size=16),
}
WITHOUT_TYPES = ("modernbert", "distilbert")


@pytest.fixture(params=list(CONFIGS))
def backbone(request: pytest.FixtureRequest, minilm: str, tmp_path: Path) -> str:
    torch.manual_seed(0)
    folder = tmp_path / str(request.param)
    AutoModel.from_config(CONFIGS[request.param]).save_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(minilm)
    if request.param in WITHOUT_TYPES:
        tokenizer.model_input_names = ["input_ids", "attention_mask"]
    tokenizer.save_pretrained(folder)
    return str(folder)


def test_it_is_trained_and_plain_transformers_gives_its_scores(
    backbone: str, recipe: dict[str, object]
) -> None:
    settings = settings_of(recipe, backbone=backbone, frozen_layers=1, max_steps=3, dropout=0.0)
    before = load_backbone(backbone, seed=3, query_tokens=8, passage_tokens=16, dropout=0.0)
    train_student(settings)
    student = load_cross_encoder(str(settings.out))
    old, new = before.model.state_dict(), student.model.state_dict()
    same = {name for name in old if torch.equal(old[name], new[name])}
    lowest = {name for name in old if ".0." in name and "layer" in name}
    assert lowest
    assert lowest <= same
    assert {name for name in old if ".2." in name and name.endswith("weight")} - same

    queries = {"q": "which is good"}
    passages = {f"d{n}": "good bat " * (n % 7) + "fen" for n in range(12)}
    tokenised = student.tokenise_queries(queries), student.tokenise_passages(passages)
    pairs = [(tokenised[0]["q"], tokenised[1][name]) for name in passages]
    ours = score_pairs(student, pairs, choose_hardware("cpu", "fp32", chunk_tokens=60))
    tokenizer = AutoTokenizer.from_pretrained(settings.out)
    model = AutoModelForSequenceClassification.from_pretrained(settings.out).eval()
    texts = [queries["q"]] * len(passages), list(passages.values())
    with torch.inference_mode():
        theirs = model(**tokenizer(*texts, padding=True, return_tensors="pt")).logits[:, 0]
    assert ours.std() > 1e-3
    np.testing.assert_allclose(ours, theirs.numpy(), atol=2e-5)
