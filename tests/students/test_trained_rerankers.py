"""Public re-rankers as backbones: trained with their own heads, saved for their own libraries."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from public_rerankers import lightning_ir, make
from toy_training import settings_of

from rankgen.students.evaluation.cost import measure_cost
from rankgen.students.model.hardware import choose_hardware
from rankgen.students.model.loading import load_backbone, load_cross_encoder
from rankgen.students.model.scoring import score_pairs
from rankgen.students.reranking.candidates import FirstStage
from rankgen.students.reranking.reranker import StudentReranker
from rankgen.students.training.train import train_student

QUERIES = {"q": "which is good"}
PASSAGES = {f"d{n}": "good bat " * (n % 7) + "fen" for n in range(12)}
NAMED = [("q", doc_id) for doc_id in PASSAGES]
TEXTS = [(QUERIES["q"], text) for text in PASSAGES.values()]
KINDS = {
    "two logits": "a classifier with two outputs (the score is output 1 minus the other)",
    "modules": "a re-ranker of sentence-transformers' modules",
    "modules with a mean": "a re-ranker of sentence-transformers' modules",
    "lightning-ir": "a cross-encoder of lightning-ir (CrossEncoderElectraModel)",
}


def backbone_of(kind: str, folder: Path, minilm: str) -> Path:
    if kind != "lightning-ir":
        return make(kind, folder, minilm)
    pytest.importorskip("lightning_ir")
    lightning_ir(folder, minilm, linear_bias=True)
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_trained_and_sentence_transformers_gives_its_scores(
    kind: str,
    minilm: str,
    recipe: dict[str, object],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    peers = pytest.importorskip("sentence_transformers")
    backbone = backbone_of(kind, tmp_path / "backbone", minilm)
    settings = settings_of(recipe, backbone=str(backbone), max_steps=3)
    before = load_backbone(
        str(backbone), seed=3, query_tokens=8, passage_tokens=16, dropout=0.1
    ).model.state_dict()
    train_student(settings)
    said = capsys.readouterr().err
    assert f"with its own head: {KINDS[kind]}" in said
    padded = "modules" in kind
    assert ("training on padded pairs" if padded else "on packed pairs") in said

    student = load_cross_encoder(str(settings.out))
    assert (student.query_tokens, student.passage_tokens) == (8, 16)
    after = student.model.state_dict()
    # The pooler of transformers' own bodies is not read.
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved >= {name for name in before if "head" in name or "classifier" in name} - {
        # Both sides of a pair gain from it alike.
        name
        for name in before
        if name.endswith(("2.norm.bias", "linear.bias"))
    }
    hardware = choose_hardware("cpu", "fp32", chunk_tokens=60)
    ours = score_pairs(student, student.pairs(QUERIES, PASSAGES, NAMED), hardware)
    theirs = peers.CrossEncoder(str(settings.out), device="cpu").predict(TEXTS, batch_size=4)
    if kind == "two logits":
        theirs = theirs[:, 1] - theirs[:, 0]
    assert ours.std() > 0.01
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
    record = json.loads((settings.out / "rankgen.json").read_text())
    weights = {p.relative_to(settings.out).as_posix() for p in settings.out.rglob("*.safetensors")}
    assert set(record["weights_sha256"]) == weights
    # Finished: nothing is trained again.
    assert train_student(settings).was_finished


def test_transformers_gives_the_scores_of_a_saved_body_and_head(
    minilm: str, tmp_path: Path
) -> None:
    from safetensors.torch import load_file
    from transformers import AutoModel, AutoTokenizer

    backbone = backbone_of("lightning-ir", tmp_path / "backbone", minilm)
    encoder = load_backbone(str(backbone), seed=1, query_tokens=8, passage_tokens=16, dropout=None)
    encoder.save(tmp_path / "saved")
    body = AutoModel.from_pretrained(tmp_path / "saved").eval()
    head = load_file(tmp_path / "saved" / "2_Dense" / "model.safetensors")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "saved")
    inputs = tokenizer(*map(list, zip(*TEXTS, strict=True)), padding=True, return_tensors="pt")
    with torch.inference_mode():
        firsts = body(**inputs).last_hidden_state[:, 0]
    theirs = firsts @ head["linear.weight"][0] + head["linear.bias"]
    pairs = encoder.pairs(QUERIES, PASSAGES, NAMED)
    ours = score_pairs(encoder, pairs, choose_hardware("cpu", "fp32"))
    np.testing.assert_allclose(ours, theirs.numpy(), atol=1e-5)


def test_a_bare_encoder_has_a_new_head_and_it_is_said(
    recipe: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    train_student(settings_of(recipe, max_steps=1))
    assert "with a new head, drawn at random (seed 3)" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["log score", "modules"])
def test_it_reranks_and_is_timed(
    kind: str, minilm: str, write_candidates: Callable[..., Path], tmp_path: Path
) -> None:
    folder = make(kind, tmp_path / "model", minilm)
    lists = {"q": [(doc_id, float(-n)) for n, doc_id in enumerate(PASSAGES)]}
    from rankgen.manifests.run.run_directory import RunDirectory

    run = RunDirectory(write_candidates("candidates", lists, QUERIES, PASSAGES))
    first_stage = FirstStage(run)
    texts = first_stage.texts(first_stage.lists.values(), None)
    reranker = StudentReranker.load(str(folder), "fp32", device="cpu")
    scores = reranker.scores(texts)["q"]
    encoder = load_cross_encoder(str(folder))
    alone = {
        doc_id: score_pairs(
            encoder, encoder.pairs(QUERIES, PASSAGES, [("q", doc_id)]), reranker.hardware
        )[0]
        for doc_id in PASSAGES
    }
    assert scores == pytest.approx(alone, abs=1e-5)
    cost = measure_cost(reranker, texts)
    assert cost.parameters == sum(p.numel() for p in encoder.model.parameters())
