"""Presets: complete, overridable, and what they need is asked for before anything is loaded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

from rankgen.generator.api.train_options import TrainOptions
from rankgen.generator.cli import app
from rankgen.manifests.errors import UsageError
from rankgen.manifests.validation import validated
from rankgen.students.choices import DEFAULT_BACKBONE
from rankgen.students.model.loading import load_backbone
from rankgen.students.training.lists import sample_positions
from rankgen.students.training.presets import NEEDED, PRESETS, with_preset

EVERYTHING: dict[str, object] = {
    "rankings": Path("r"),
    "out": Path("o"),
    "backbone": "first-stage-student",
    "validation": Path("v"),
    "validation_qrels": Path("q"),
}


# arXiv 2405.07920, appendix C, and the authors' configuration, written down once more.
COMMON: dict[str, object] = {
    "learning_rate": 1e-5,
    "weight_decay": 0.01,
    "schedule": "constant",
    "warmup_steps": 0,
    "gradient_clip": None,
    "queries_per_step": 32,
    "query_tokens": 32,
    "passage_tokens": 256,
    "seed": 42,
    "reduction": "per_query_mean",
    "evidence": "all",
    "dropout": None,
    "frozen_layers": 0,
    "max_minutes": None,
    "validation_depth": None,
}
UNTIL_NO_BETTER: dict[str, object] = {
    "loss": "ranknet",
    "depth": 100,
    "sample_size": None,
    "epochs": 1000.0,
    "max_steps": None,
    "validate_every": 10,
    "patience_steps": 100,
}
EXPECTED: dict[str, dict[str, object]] = {
    "paper-labels": {
        "loss": "lce",
        "depth": 200,
        "sample_size": 8,
        "sample_mode": "best",
        "max_steps": 20_000,
        "patience_steps": None,
    },
    "paper-single": UNTIL_NO_BETTER,
    "paper-two-stage": UNTIL_NO_BETTER,
    "authors-config": {
        "loss": "ranknet",
        "depth": 100,
        "sample_size": None,
        "epochs": 3.0,
        "max_steps": None,
        "patience_steps": None,
    },
}


@pytest.mark.parametrize("name", list(PRESETS))
def test_a_preset_is_what_was_published_and_gives_way_to_what_is_given(name: str) -> None:
    settings = validated(TrainOptions, {**EVERYTHING, "preset": name}, "here").training()
    expected = {**COMMON, **EXPECTED[name]}
    shown = settings.model_dump()
    assert {key: shown[key] for key in expected} == expected
    assert PRESETS[name].keys() - {"backbone"} <= expected.keys()
    assert settings.backbone == "first-stage-student"
    changed = validated(
        TrainOptions, {**EVERYTHING, "preset": name, "learning_rate": 2e-5}, "here"
    ).training()
    assert changed == settings.model_copy(update={"learning_rate": 2e-5})


def test_presets_from_scratch_begin_with_the_default_backbone() -> None:
    given = {key: value for key, value in EVERYTHING.items() if key != "backbone"}
    for name in ("paper-labels", "paper-single"):
        assert (
            validated(TrainOptions, {**given, "preset": name}, "here").training().backbone
            == DEFAULT_BACKBONE
        )
    assert DEFAULT_BACKBONE == "google/electra-base-discriminator"


@pytest.mark.parametrize(
    ("name", "needed"), [(name, needed) for name, needs in NEEDED.items() for needed in needs]
)
def test_what_a_preset_cannot_know_is_asked_for(name: str, needed: str) -> None:
    given = {key: value for key, value in EVERYTHING.items() if key != needed}
    with pytest.raises(UsageError, match=f"the preset '{name}' needs {needed}"):
        with_preset(name, given)


def test_a_misspelt_preset() -> None:
    with pytest.raises(UsageError) as error:
        with_preset("paper-singel", EVERYTHING)
    assert str(error.value.hint).startswith("did you mean 'paper-single'")


def test_the_best_and_others_at_random() -> None:
    drawn = [sample_positions(20, 8, "best", np.random.default_rng(seed)) for seed in range(300)]
    for positions in drawn:
        assert positions[0] == 0
        assert len(set(positions.tolist())) == 8
        assert (np.diff(positions) > 0).all()
    counts = np.bincount(np.concatenate(drawn), minlength=20)[1:]
    # 7 of 19, 300 times: 110 each on average, with a deviation of 8.
    assert abs(counts - 300 * 7 / 19).max() < 40


def test_two_stages_on_the_command_line(
    write_rankings: Callable[..., Path],
    write_candidates: Callable[..., Path],
    tiny_backbone: str,
    tmp_path: Path,
) -> None:
    documents = {f"d{i}": f"passage number {i} of many" for i in range(12)}
    queries = {f"q{i}": f"which number is {i}" for i in range(4)}
    rankings = write_rankings("rankings", {q: list(documents) for q in queries}, queries, documents)
    lists = {q: [(d, float(-i)) for i, d in enumerate(documents)] for q in queries}
    candidates = write_candidates("candidates", lists, queries, documents)
    qrels = tmp_path / "qrels"
    qrels.write_text("".join(f"{query} 0 d0 1\n" for query in queries))
    first = tmp_path / "first"
    command = ["train-student", "--rankings", rankings, "--device", "cpu", "--precision", "fp32"]
    command += ["--max-steps", 1, "--queries-per-step", 2]
    done = run(*command, "--preset", "paper-labels", "--backbone", tiny_backbone, "--out", first)
    assert done.exit_code == 0, done.output
    second = tmp_path / "second"
    command += ["--preset", "paper-two-stage", "--out", second, "--learning-rate", 1e-12]
    command += ["--validation", candidates, "--validation-qrels", qrels]
    refused = run(*command)
    assert refused.exit_code == 2
    assert "the preset 'paper-two-stage' needs backbone" in refused.stderr
    done = run(*command, "--backbone", first)
    assert done.exit_code == 0, done.output
    # The second stage starts from the first one's weights, its head included.
    before, after = (load_file(folder / "model.safetensors") for folder in (first, second))
    for name, tensor in before.items():
        torch.testing.assert_close(after[name], tensor, atol=1e-6, rtol=0)
    fresh = load_backbone(tiny_backbone, seed=7, query_tokens=8, passage_tokens=16, dropout=0.0)
    assert not torch.allclose(before["classifier.weight"], fresh.model.classifier.weight, atol=1e-3)


def run(*arguments: object):  # type: ignore[no-untyped-def]  # click's result type is private
    return CliRunner().invoke(app, [str(argument) for argument in arguments])
