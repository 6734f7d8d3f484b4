"""Students that are more than a classifier of transformers: trained whole, or by adapters."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from adapted import (
    CUTS,
    LORA,
    NAMED,
    PASSAGE_TOKENS,
    PASSAGES,
    QUERIES,
    QUERY_TOKENS,
    backbone,
    loaded,
    scored,
    scores,
)
from public_rerankers import lightning_ir, make
from safetensors.torch import load_file
from toy_training import settings_of, weights

from rankgen.manifests.errors import UsageError
from rankgen.students.model.hardware import choose_hardware
from rankgen.students.model.loading import load_cross_encoder
from rankgen.students.model.scoring import score_pairs
from rankgen.students.training.train import train_student


def test_the_backbone_of_a_saved_student_is_told_by_nothing_but_its_files(
    minilm: str, recipe: dict[str, object], tmp_path: Path
) -> None:
    """A language model is trained whole, saved under another name, and trained on."""
    base = backbone("qwen3-reranker", tmp_path, minilm)
    first = settings_of(recipe, backbone=str(base), max_steps=1, **CUTS)
    train_student(first)
    model = loaded("qwen3-reranker", first.out)
    np.testing.assert_allclose(scored(first.out), scores("qwen3-reranker", model, base), atol=1e-5)
    moved = weights(first.out)
    assert not torch.equal(
        moved["lm_head.weight"], load_file(base / "model.safetensors")["lm_head.weight"]
    )
    assert json.loads((first.out / "config.json").read_text())["rankgen"] == {
        **CUTS,
        "prompt": "qwen3-reranker",
        "answers": ["yes", "no"],
    }
    second = settings_of(
        recipe, backbone=str(first.out), max_steps=1, out=tmp_path / "second", **CUTS
    )
    train_student(second)
    assert scored(second.out).std() > 0


@pytest.mark.parametrize("lora", [{}, LORA], ids=["whole", "lora"])
@pytest.mark.parametrize("kind", ["log score", "chat classifier"])
def test_what_a_chat_template_asks_is_read_by_sentence_transformers(
    kind: str,
    lora: dict[str, object],
    minilm: str,
    recipe: dict[str, object],
    tmp_path: Path,
) -> None:
    peers = pytest.importorskip("sentence_transformers")
    base = make(kind, tmp_path / "base", minilm)
    settings = settings_of(recipe, backbone=str(base), max_steps=1, **lora)
    train_student(settings)
    student = load_cross_encoder(str(settings.out))
    short = {doc_id: text for doc_id, text in PASSAGES.items() if text.count(" ") < 12}
    named = [pair for pair in NAMED if pair[1] in short]
    ours = score_pairs(
        student, student.pairs(QUERIES, short, named), choose_hardware("cpu", "fp32")
    )
    theirs = peers.CrossEncoder(str(settings.out), device="cpu").predict(
        [(QUERIES["q"], text) for text in short.values()], activation_fn=torch.nn.Identity()
    )
    assert len(short) > 3
    assert ours.std() > 0.01
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize("kind", ["modules", "lightning-ir"])
def test_a_head_beside_the_body_is_trained_and_kept_beside_the_adapters(
    kind: str, minilm: str, recipe: dict[str, object], tmp_path: Path
) -> None:
    peers = pytest.importorskip("sentence_transformers")
    from peft import PeftModel
    from transformers import AutoModel, ElectraModel

    base = tmp_path / "base"
    if kind == "modules":
        make(kind, base, minilm)
    else:
        pytest.importorskip("lightning_ir")
        lightning_ir(base, minilm)
    settings = settings_of(recipe, backbone=str(base), max_steps=2, **CUTS, **LORA)
    train_student(settings)
    ours, adapter = scored(settings.out), settings.out / "adapter"
    np.testing.assert_allclose(scored(adapter), ours, atol=1e-5)
    short = [(QUERIES["q"], PASSAGES[doc_id]) for doc_id in ("d1", "d2")]
    encoder = load_cross_encoder(str(adapter))
    pairs = encoder.pairs({"q": short[0][0]}, dict(short_named(short)), [("q", "0"), ("q", "1")])
    mine = score_pairs(encoder, pairs, choose_hardware("cpu", "fp32"))
    theirs = peers.CrossEncoder(str(settings.out), device="cpu").predict(cut(short))
    np.testing.assert_allclose(mine, theirs, atol=1e-5)
    body = (AutoModel if kind == "modules" else ElectraModel).from_pretrained(base).eval()
    adapted = PeftModel.from_pretrained(body, str(adapter)).eval()
    inputs = encoder.template.collate(pairs[:1])
    with torch.inference_mode():
        first = adapted(**inputs).last_hidden_state[:, 0]
        score = encoder.model.head(first)[0, 0]  # type: ignore[operator]  # a module of that class
    assert float(score) == pytest.approx(float(mine[0]), abs=1e-5)
    (adapter / "head.safetensors").unlink()
    with pytest.raises(UsageError, match=r"cannot be put into .*head\.safetensors"):
        load_cross_encoder(str(adapter))


def short_named(pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(str(number), text) for number, (_, text) in enumerate(pairs)]


def cut(pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Returns pairs of words that are one token each, cut as the students here cut them."""
    return [
        (" ".join(q.split()[:QUERY_TOKENS]), " ".join(p.split()[:PASSAGE_TOKENS])) for q, p in pairs
    ]
