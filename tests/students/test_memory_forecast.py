"""The memory of a step before it is trained: by hand, as the allocator sees it, and on a GPU."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from toy_training import settings_of
from typer.testing import CliRunner

from rankgen.generator.cli import app
from rankgen.students.choices import NAMED_BACKBONES
from rankgen.students.training.memory_forecast import (
    CUDA_BYTES,
    GIB,
    forecast_memory,
)
from rankgen.students.training.settings import TrainSettings
from rankgen.students.training.step_bytes import ModelSize, bytes_per_token, held_bytes

ELECTRA_BASE = ModelSize(768, 12, 12, 3072, 109_000_000, multiplied=85_000_000)


def test_what_a_step_holds_by_hand() -> None:
    held = held_bytes(ELECTRA_BASE, 110_000_000, 10_000, is_bf16=False, chunk_tokens=4_000)
    assert (held.weights, held.gradients, held.optimizer) == (
        440_000_000,
        872_000_000,
        872_000_000,
    )
    assert held.activations == 10_000 * bytes_per_token(ELECTRA_BASE, False)
    assert held.temporaries == 4_000 * 8 * (3072 + 768)
    halved = held_bytes(ELECTRA_BASE, 110_000_000, 10_000, is_bf16=True, chunk_tokens=4_000)
    # Each of the three chunks keeps its own copies of what it multiplies with.
    assert halved.weights == 440_000_000 + 3 * 170_000_000
    assert halved.activations < held.activations


def test_a_gpu_that_is_not_here_is_planned_for(recipe: dict[str, object]) -> None:
    settings = settings_of(recipe, precision="auto", step_tokens=None)
    large = forecast_memory(settings, 40)
    assert (large.device, large.is_bf16, large.step_tokens) == ("a GPU of 40 GiB", True, 131_072)
    assert large.free_bytes == 40 * GIB - CUDA_BYTES
    assert large.peak_bytes == sum(large.held.values())
    assert large.fits
    # A GPU that this small model must be cut for.
    small = forecast_memory(settings, 0.8)
    assert (small.step_tokens, small.is_packed) == (16_384, False)
    assert small.fits
    # Without the attention's dropout its pairs are packed, and more of them fit.
    packed = forecast_memory(settings.model_copy(update={"attention_dropout": 0.0}), 0.8)
    assert (packed.step_tokens, packed.is_packed) == (32_768, True)
    per_token = small.held["activations"] / 16_384
    assert per_token == pytest.approx(1.75 * packed.held["activations"] / 32_768)
    too_long = forecast_memory(settings.model_copy(update={"step_tokens": 131_072}), 0.8)
    assert not too_long.fits
    assert "it does not fit, lower --step-tokens" in too_long.text()
    frozen = forecast_memory(settings.model_copy(update={"frozen_layers": 1}), 40)
    assert frozen.held["optimizer"] == 8 * frozen.trained_weights
    assert frozen.trained_weights < large.trained_weights == large.weights


def test_the_command_says_it_and_trains_nothing(recipe: dict[str, object], tmp_path: Path) -> None:
    words = ["--rankings", recipe["rankings"], "--backbone", recipe["backbone"]]
    words += ["--out", tmp_path / "student", "--device", "cpu", "--precision", "fp32", "--dry-run"]
    command = ["train-student", *map(str, words)]
    shown = CliRunner().invoke(app, command)
    assert shown.exit_code == 0, shown.output
    assert "fp32, packed) on cpu holds up to 0." in shown.stdout
    assert shown.stdout.rstrip().endswith("GiB are free there: it fits")
    told = json.loads(CliRunner().invoke(app, [*command, "--json"]).stdout)
    assert told["peak_bytes"] == sum(told["held"].values())
    assert told["fits"] is True
    assert not (tmp_path / "student").exists()


def test_backbones_have_short_names() -> None:
    for name, model_id in NAMED_BACKBONES.items():
        made = TrainSettings(rankings=Path("r"), out=Path("o"), backbone=name)
        assert made == TrainSettings(rankings=Path("r"), out=Path("o"), backbone=model_id)
