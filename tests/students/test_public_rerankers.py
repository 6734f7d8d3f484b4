"""Every kind of public re-ranker scores as its own library does, also texts beyond its cut."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from public_rerankers import LAYOUTS, ROLES, ROOM, lightning_ir, make
from small_rerankers import save_causal, save_t5

from rankgen.manifests.models.families import family_of
from rankgen.manifests.models.pair_model import PairModel
from rankgen.students.model.cross_encoder import CrossEncoder
from rankgen.students.model.hardware import choose_hardware
from rankgen.students.model.loading import load_backbone, load_cross_encoder
from rankgen.students.model.pair_cut import longest_first
from rankgen.students.model.scoring import score_pairs

QUERIES = {"short": "how do plants eat", "long": "which of the many plants of the garden " * 6}
PASSAGES = {
    "d0": "light becomes sugar in leaves",
    "d1": "rome",
    "d2": "a longer passage about plants " * 40,
    "d3": "",
    "d4": "roots drink water and salts of the ground " * 5,
}
NAMED = [(query_id, doc_id) for query_id in QUERIES for doc_id in PASSAGES]
TEXTS = [(QUERIES[query_id], PASSAGES[doc_id]) for query_id, doc_id in NAMED]


def ours(encoder: CrossEncoder, chunk_tokens: int = 2400) -> NDArray[np.float32]:
    hardware = choose_hardware("cpu", "fp32", chunk_tokens=chunk_tokens)
    return score_pairs(encoder, encoder.pairs(QUERIES, PASSAGES, NAMED), hardware)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_scores_are_those_of_sentence_transformers(
    layout: str, minilm: str, tmp_path: Path
) -> None:
    peers = pytest.importorskip("sentence_transformers")
    folder = make(layout, tmp_path / "model", minilm)
    model = peers.CrossEncoder(str(folder), device="cpu", activation_fn=torch.nn.Identity())
    theirs = model.predict(TEXTS, batch_size=3, show_progress_bar=False)
    if "two logits" in layout:
        theirs = theirs[:, 1] - theirs[:, 0]
    encoder = load_cross_encoder(str(folder))
    found = ours(encoder)
    assert found.std() > 0.03
    np.testing.assert_allclose(found, theirs, atol=1e-5)
    np.testing.assert_allclose(ours(encoder, chunk_tokens=1), found, atol=2e-5)
    assert encoder.longest_pair == ROOM
    assert encoder.has_trained_head


@pytest.mark.parametrize("strategy", ["rank", "mono"])
def test_the_paper_s_own_models_score_as_in_lightning_ir(
    strategy: str, minilm: str, tmp_path: Path
) -> None:
    pytest.importorskip("lightning_ir")
    from transformers import AutoTokenizer

    model = lightning_ir(tmp_path, minilm, scoring_strategy=strategy, linear_bias=True)
    tokenizer = AutoTokenizer.from_pretrained(minilm)

    def cut(texts: list[str], most: int) -> list[str]:
        ids = tokenizer(texts, add_special_tokens=False, truncation=True, max_length=most)
        return list(tokenizer.batch_decode(ids.input_ids))

    # As lightning-ir's tokenizer does, which needs an older transformers: it decodes what it cuts.
    queries, passages = cut([q for q, _ in TEXTS], 8), cut([d for _, d in TEXTS], 12)
    encoded = tokenizer(queries, passages, padding=True, return_tensors="pt")
    with torch.inference_mode():
        theirs = model.forward(encoded).scores.numpy()
    encoder = load_cross_encoder(str(tmp_path))
    assert (encoder.query_tokens, encoder.passage_tokens, encoder.longest_pair) == (8, 12, 23)
    found = ours(encoder)
    if strategy == "mono":
        # It returns the logarithm of the probability, of which this is the sigmoid's argument.
        found = -np.logaddexp(0, -found)
    assert found.std() > 0.03
    np.testing.assert_allclose(found, theirs, atol=1e-5)


@pytest.mark.parametrize("kind", ["monot5", "rankt5", "qwen3-reranker", "bge-reranker-gemma"])
def test_language_models_are_asked_as_teachers_ask_them(kind: str, tmp_path: Path) -> None:
    """`test_families` compares the teachers with transformers."""
    folder = tmp_path / kind
    save_t5(folder) if kind.endswith("t5") else save_causal(folder, kind)
    teacher = PairModel(str(folder), family_of(str(folder)))
    theirs = [teacher.scores([teacher.pairs.ids(query, passage)])[0] for query, passage in TEXTS]
    encoder = load_cross_encoder(str(folder))
    found = ours(encoder, chunk_tokens=3000)
    assert len(set(found.tolist())) == len(TEXTS)
    np.testing.assert_allclose(found, theirs, atol=1e-5)


@pytest.mark.parametrize("kind", ["qwen3-reranker", "mxbai-rerank-v2"])
def test_a_classifier_made_of_answers_is_asked_as_the_model_was(kind: str, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

    folder = save_causal(tmp_path / kind, kind)
    expected = ours(load_cross_encoder(str(folder)), chunk_tokens=3000)
    teacher = PairModel(str(folder), family_of(str(folder)))
    yes, no = teacher.pairs.answers
    assert no is not None
    answers = AutoModelForCausalLM.from_pretrained(folder).lm_head.weight.data
    made = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=1)
    made.score.weight.data = (answers[yes] - answers[no])[None]
    made.save_pretrained(tmp_path / f"{kind}-seq-cls")
    tokenizer = teacher.pairs.tokenizer
    # As the original's, which has no role for a query or a document.
    tokenizer.chat_template = ROLES.replace("message.content", "message.content_of_users")
    tokenizer.save_pretrained(tmp_path / f"{kind}-seq-cls")
    converted = load_cross_encoder(str(tmp_path / f"{kind}-seq-cls"))
    np.testing.assert_allclose(ours(converted, chunk_tokens=3000), expected, atol=2e-5)
    # A student keeps the question under any name, and its cuts.
    (tmp_path / "student").mkdir()
    backbone = load_backbone(
        str(tmp_path / f"{kind}-seq-cls"), seed=1, query_tokens=8, passage_tokens=16, dropout=None
    )
    backbone.save(tmp_path / "student")
    student = load_cross_encoder(str(tmp_path / "student"))
    assert (student.kind, student.passage_tokens) == (converted.kind, 16)
    assert ours(student)[0] == pytest.approx(expected[0], abs=2e-5)
    tokenizer.chat_template = ROLES
    tokenizer.save_pretrained(tmp_path / f"{kind}-seq-cls")
    shown = load_cross_encoder(str(tmp_path / f"{kind}-seq-cls"))
    assert shown.asked == {"chat_template": True}


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 40))
def test_the_longer_text_is_cut_first_as_the_tokenizer_does(
    first: int, second: int, most: int
) -> None:
    tokenizer = _word_tokenizer()
    tokenizer.enable_truncation(most)
    encoded = tokenizer.encode(" ".join("q" * first), " ".join("d" * second))
    kept = longest_first(first, second, most)
    assert [encoded.sequence_ids.count(number) for number in (0, 1)] == list(kept)


def _word_tokenizer() -> Any:
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace

    made = Tokenizer(WordLevel({"q": 0, "d": 1, "?": 2}, unk_token="?"))
    made.pre_tokenizer = Whitespace()
    return made
