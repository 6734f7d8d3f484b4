"""The code on the cards of students and soups is right for their kind."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from adapted import CUTS, backbone
from public_rerankers import make
from toy_training import settings_of
from typer.testing import CliRunner

from rankgen.generator.cli import app
from rankgen.students.model.hardware import choose_hardware
from rankgen.students.model.loading import load_cross_encoder
from rankgen.students.model.scoring import score_pairs
from rankgen.students.training.push import hub_files
from rankgen.students.training.train import train_student

SEEN = {"a": "Photosynthesis turns light into sugar.", "b": "Rome was founded."}


def test_the_code_of_a_student_with_two_outputs_gives_its_scores(
    minilm: str, recipe: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = make("two logits", tmp_path / "two", minilm)
    cuts = {"query_tokens": 8, "passage_tokens": 16}
    settings = settings_of(recipe, backbone=str(base), max_steps=1, **cuts)
    train_student(settings)
    card = (settings.out / "README.md").read_text(encoding="utf-8")
    code = re.search(r"```python\n(.*?)\n```", card, re.DOTALL)
    assert code is not None
    monkeypatch.chdir(settings.out.parent)
    names: dict[str, np.ndarray] = {}
    exec(code[1], names)
    encoder = load_cross_encoder(str(settings.out))
    pairs = encoder.pairs({"q": "how do plants eat"}, SEEN, [("q", "a"), ("q", "b")])
    expected = score_pairs(encoder, pairs, choose_hardware("cpu", "fp32"))
    np.testing.assert_allclose(names["scores"], expected, atol=1e-5)


def test_a_soup_of_language_models_is_scored_by_what_knows_their_prompt(
    minilm: str, recipe: dict[str, object], tmp_path: Path
) -> None:
    base = str(backbone("qwen3-reranker", tmp_path, minilm))
    seeds = [
        settings_of(
            recipe, backbone=base, max_steps=1, seed=seed, out=tmp_path / f"s{seed}", **CUTS
        )
        for seed in (1, 2)
    ]
    for settings in seeds:
        train_student(settings)
    out = tmp_path / "soup"
    words = [*(str(settings.out) for settings in seeds), "--out", str(out), "--device", "cpu"]
    done = CliRunner().invoke(app, ["soup", *words])
    assert done.exit_code == 0, done.output
    card = (out / "README.md").read_text(encoding="utf-8")
    assert "rankgen rerank --student soup" in card
    assert "CrossEncoder" not in card
    pushed = hub_files(out, "me/mean")["README.md"]
    assert isinstance(pushed, bytes)
    assert b"rankgen rerank --student me/mean --candidates" in pushed
    assert "- cross-encoder" not in card
