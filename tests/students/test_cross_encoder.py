"""The artefact is a plain folder: two libraries load it unchanged and give our scores."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from rankgen.manifests.errors import UsageError
from rankgen.students.model.cross_encoder import CrossEncoder
from rankgen.students.model.hardware import Hardware, choose_hardware
from rankgen.students.model.loading import load_backbone, load_cross_encoder
from rankgen.students.model.scoring import forward_sorted, score_pairs

QUERIES = {f"q{n}": f"what is the meaning of number {n}" for n in range(4)}
DOCUMENTS = {f"d{n}": "some words of a passage about nothing " * n for n in range(25)}


def backbone(source: str, dropout: float | None = None) -> CrossEncoder:
    return load_backbone(source, seed=1, query_tokens=32, passage_tokens=256, dropout=dropout)


def on_cpu(chunk_tokens: int = 4096) -> Hardware:
    return choose_hardware("cpu", "fp32", chunk_tokens=chunk_tokens)


def scores_of(encoder: CrossEncoder, chunk_tokens: int = 2400) -> np.ndarray:
    queries = encoder.tokenise_queries(QUERIES)
    passages = encoder.tokenise_passages(DOCUMENTS)
    pairs = [(queries[q], passages[d]) for q in QUERIES for d in DOCUMENTS]
    return score_pairs(encoder, pairs, on_cpu(chunk_tokens))


@pytest.fixture(scope="module")
def encoder(tiny_backbone: str) -> CrossEncoder:
    return backbone(tiny_backbone)


@pytest.fixture(scope="module")
def saved(encoder: CrossEncoder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("student")
    encoder.save(folder)
    return folder


def test_sentence_transformers_gives_our_scores(encoder: CrossEncoder, saved: Path) -> None:
    peers = pytest.importorskip("sentence_transformers")
    model = peers.CrossEncoder(str(saved), device="cpu")
    pairs = [(q, d) for q in QUERIES.values() for d in DOCUMENTS.values()]
    theirs, ours = model.predict(pairs), scores_of(encoder)
    assert ours.std() > 0.1
    np.testing.assert_allclose(theirs, ours, atol=2e-5)
    assert not isinstance(model.activation_fn, torch.nn.Sigmoid)
    assert model.max_seq_length == 32 + 256 + 3


def test_transformers_gives_our_scores(encoder: CrossEncoder, saved: Path) -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(saved)
    model = AutoModelForSequenceClassification.from_pretrained(saved).eval()
    pairs = [(q, d) for q in QUERIES.values() for d in DOCUMENTS.values()]
    inputs = tokenizer(
        [q for q, _ in pairs],
        [d for _, d in pairs],
        padding=True,
        truncation=True,
        return_tensors="pt",
    )
    with torch.inference_mode():
        theirs = model(**inputs).logits[:, 0].numpy()
    np.testing.assert_allclose(theirs, scores_of(encoder), atol=2e-5)


def test_saved_and_loaded_scores_are_the_same(encoder: CrossEncoder, saved: Path) -> None:
    loaded = load_cross_encoder(str(saved))
    assert (loaded.query_tokens, loaded.passage_tokens) == (32, 256)
    np.testing.assert_allclose(scores_of(loaded), scores_of(encoder), atol=1e-6)


def test_saving_and_loading_print_nothing(
    encoder: CrossEncoder, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    encoder.save(tmp_path)
    load_cross_encoder(str(tmp_path))
    printed = capfd.readouterr()
    assert printed.out + printed.err == ""


def test_saved_tokenizer_has_no_presets(saved: Path) -> None:
    tokenizer = json.loads((saved / "tokenizer.json").read_text(encoding="utf-8"))
    assert tokenizer["truncation"] is None
    assert tokenizer["padding"] is None


def test_chunking_and_order_change_no_score(encoder: CrossEncoder) -> None:
    one_by_one = scores_of(encoder, chunk_tokens=1)
    np.testing.assert_allclose(scores_of(encoder, chunk_tokens=2400), one_by_one, atol=2e-5)
    np.testing.assert_allclose(scores_of(encoder, chunk_tokens=10**9), one_by_one, atol=2e-5)


def test_chunking_changes_no_gradient(encoder: CrossEncoder) -> None:
    queries = encoder.tokenise_queries(QUERIES)
    passages = encoder.tokenise_passages(DOCUMENTS)
    pairs = [(queries["q0"], passages[d]) for d in DOCUMENTS]
    weights = torch.linspace(-1, 1, len(pairs))
    gradients = []
    for chunk_tokens in (1, 800, 10**9):
        encoder.model.zero_grad()
        scores = forward_sorted(encoder, pairs, on_cpu(chunk_tokens))
        (scores * weights).sum().backward()
        gradients.append(
            torch.cat([p.grad.flatten() for p in encoder.model.parameters() if p.grad is not None])
        )
    encoder.model.zero_grad()
    assert gradients[0].norm() > 1e-3
    for other in gradients[1:]:
        assert (other - gradients[0]).norm() < 1e-4 * gradients[0].norm()


def test_equal_pairs_have_equal_scores_wherever_they_stand(encoder: CrossEncoder) -> None:
    query = encoder.tokenise_queries(QUERIES)["q0"]
    passages = encoder.tokenise_passages(DOCUMENTS)
    pairs = [(query, passages[d]) for d in DOCUMENTS]
    repeated = [pair for pair in pairs for _ in range(3)] + pairs
    scores = score_pairs(encoder, repeated, on_cpu(200))
    groups = [{*scores[3 * n : 3 * n + 3], scores[3 * len(pairs) + n]} for n in range(len(pairs))]
    assert all(len(group) == 1 for group in groups)
    assert len(set(scores)) > 1
    np.testing.assert_allclose(
        scores[-len(pairs) :], score_pairs(encoder, pairs, on_cpu()), atol=2e-5
    )


def test_scoring_needs_no_pairs_and_keeps_the_mode(encoder: CrossEncoder) -> None:
    encoder.model.train()
    assert score_pairs(encoder, [], on_cpu()).shape == (0,)
    before = scores_of(encoder)
    assert encoder.model.training
    np.testing.assert_allclose(scores_of(encoder), before, atol=1e-6)


def test_head_is_seeded(tiny_backbone: str) -> None:
    first = backbone(tiny_backbone).model.classifier.weight
    torch.rand(3)
    assert torch.equal(first, backbone(tiny_backbone).model.classifier.weight)


def test_dropout_is_set_everywhere(tiny_backbone: str) -> None:
    rates = {
        module.p
        for module in backbone(tiny_backbone, dropout=0.25).model.modules()
        if isinstance(module, torch.nn.Dropout)
    }
    assert rates == {0.25}


def test_an_encoder_without_a_head_is_no_student(tiny_backbone: str) -> None:
    with pytest.raises(UsageError, match="is not a cross-encoder"):
        load_cross_encoder(tiny_backbone)


def test_a_folder_without_a_model_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be loaded") as error:
        backbone(str(tmp_path))
    assert "\n" not in error.value.message


def test_pairs_longer_than_the_model_are_refused(tiny_backbone: str) -> None:
    with pytest.raises(UsageError, match="reads 320 tokens, but a pair has up to 515"):
        load_backbone(tiny_backbone, seed=1, query_tokens=256, passage_tokens=256, dropout=None)


def test_a_head_of_another_width_is_replaced(tiny_backbone: str, tmp_path: Path) -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    three = AutoModelForSequenceClassification.from_pretrained(tiny_backbone, num_labels=3)
    three.save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(tiny_backbone).save_pretrained(tmp_path)
    assert backbone(str(tmp_path)).model.classifier.weight.shape == (1, 32)
    with pytest.raises(UsageError, match="is not a cross-encoder"):
        load_cross_encoder(str(tmp_path))
