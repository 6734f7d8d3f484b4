"""Models that read padding score pairs as if each stood alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from public_rerankers import SIZES, saved_tokenizer
from transformers import AutoConfig, AutoModelForSequenceClassification

from rankgen.students.model import scoring
from rankgen.students.model.hardware import Hardware
from rankgen.students.model.loading import load_cross_encoder
from rankgen.students.model.scoring import length_sorted_chunks, score_pairs

QUERIES = {"q": "which birds sing"}
WORDS = [
    "the",
    "birds",
    "of",
    "a",
    "garden",
    "sing",
    "at",
    "dawn",
    "and",
    "rest",
    "at",
    "night",
] * 2
PASSAGES = {f"d{number}": " ".join(WORDS[: 9 + number % 7]) + f" {number}" for number in range(20)}
NAMED = [("q", doc_id) for doc_id in PASSAGES]
KINDS: dict[str, dict[str, object]] = {
    "convbert": {"max_position_embeddings": 48, "embedding_size": 32},
    "nystromformer": {
        "max_position_embeddings": 48,
        "num_landmarks": 48,
        "segment_means_seq_len": 48,
        "conv_kernel_size": 5,
    },
    "big_bird": {"max_position_embeddings": 48, "block_size": 2, "num_random_blocks": 1},
}


def scores(folder: Path, chunk_tokens: int) -> NDArray[np.float32]:
    encoder = load_cross_encoder(str(folder))
    hardware = Hardware(torch.device("cpu"), False, chunk_tokens, 24_000)
    return score_pairs(encoder, encoder.pairs(QUERIES, PASSAGES, NAMED), hardware)


@pytest.mark.parametrize("kind", KINDS)
def test_scores_do_not_depend_on_the_pairs_beside_them(
    monkeypatch: pytest.MonkeyPatch, kind: str, tmp_path: Path, minilm: str
) -> None:
    torch.manual_seed(3)
    config = AutoConfig.for_model(kind, **SIZES, **KINDS[kind], num_labels=1)
    AutoModelForSequenceClassification.from_config(config).save_pretrained(tmp_path)
    saved_tokenizer(tmp_path, minilm)
    alone = scores(tmp_path, 1)
    assert alone.std() > 0.01
    np.testing.assert_allclose(scores(tmp_path, 2_400), alone, atol=1e-5)
    monkeypatch.setattr(scoring, "_READ_PADDING", frozenset())
    assert np.abs(scores(tmp_path, 2_400) - alone).max() > 1e-3


def test_chunks_of_one_length_hold_every_pair_once() -> None:
    lengths = [5, 9, 5, 7, 9, 9, 9, 5]
    chunks = length_sorted_chunks(lengths, 27, is_one_length=True)
    assert [chunk.tolist() for chunk in chunks] == [[1, 4, 5], [6], [3], [0, 2, 7]]
