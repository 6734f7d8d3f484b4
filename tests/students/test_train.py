"""The loop: it learns, accumulates exactly, resumes exactly, and leaves a whole student."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from toy_training import Killed, settings_of, toy_lists, weights

from rankgen.manifests.errors import IncompleteRun, UsageError
from rankgen.students.model.loading import load_backbone
from rankgen.students.training import loop as training_run
from rankgen.students.training import step as step_module
from rankgen.students.training import train
from rankgen.students.training.step import Trainer
from rankgen.students.training.train import train_student
from rankgen.students.training.validation import MEASURE


def test_a_student_learns_what_the_teacher_says(recipe: dict[str, object]) -> None:
    summary = train_student(settings_of(recipe, max_steps=60))
    assert summary.steps == 60
    assert summary.pairs == 60 * 4 * 6
    assert summary.loss < 0.6 * math.log(2)


def test_the_artefact_is_whole_and_says_how_it_was_made(recipe: dict[str, object]) -> None:
    settings = settings_of(recipe, max_steps=2)
    train_student(settings)
    names = {path.name for path in settings.out.iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json", "README.md"} <= names
    record = json.loads((settings.out / "rankgen.json").read_text(encoding="utf-8"))
    assert record["settings"]["loss"] == "ranknet"
    assert len(record["facts"]["rankings_sha256"]) == 64
    assert record["figures"]["steps"] == 2
    assert "12 rankings" in (settings.out / "README.md").read_text(encoding="utf-8")
    assert {path.name for path in (settings.out / ".rankgen").iterdir()} == {
        "recipe.json",
        "metrics.jsonl",
        "tensorboard",
    }


def test_running_again_does_nothing_and_says_so(recipe: dict[str, object]) -> None:
    settings = settings_of(recipe, max_steps=2)
    first = train_student(settings)
    before = (settings.out / "model.safetensors").stat().st_mtime_ns
    again = train_student(settings)
    assert again == first.model_copy(update={"was_finished": True})
    assert (settings.out / "model.safetensors").stat().st_mtime_ns == before


def test_another_recipe_on_the_same_output_is_refused(recipe: dict[str, object]) -> None:
    train_student(settings_of(recipe, max_steps=1))
    with pytest.raises(UsageError, match="seed: 3 there, 4 now"):
        train_student(settings_of(recipe, max_steps=1, seed=4))


def test_other_data_on_the_same_output_is_refused(
    recipe: dict[str, object], write_rankings: Callable[..., Path]
) -> None:
    train_student(settings_of(recipe, max_steps=1))
    write_rankings("rankings", *toy_lists(queries=11, passages=6))
    with pytest.raises(UsageError, match="rankings_sha256"):
        train_student(settings_of(recipe, max_steps=1))


def test_a_failed_start_binds_the_output_to_nothing(
    recipe: dict[str, object], tmp_path: Path
) -> None:
    out = Path(str(recipe["out"]))
    with pytest.raises(UsageError, match="cannot be loaded"):
        train_student(settings_of(recipe, backbone=str(tmp_path / "no-such-model")))
    assert not out.exists()
    assert train_student(settings_of(recipe, max_steps=1)).steps == 1


def test_another_recipe_may_not_take_over_a_checkpoint(
    recipe: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    def dying(*_: object) -> None:
        raise Killed

    monkeypatch.setattr(train, "publish_student", dying)
    with pytest.raises(Killed):
        train_student(settings_of(recipe, max_steps=1))
    with pytest.raises(UsageError, match='loss: "ranknet" there, "lce" now'):
        train_student(settings_of(recipe, max_steps=1, loss="lce"))
    monkeypatch.undo()
    summary = train_student(settings_of(recipe, max_steps=1))
    assert (summary.steps, summary.was_finished) == (1, False)


@pytest.mark.parametrize("killed_after", [3, 5])
def test_a_killed_training_resumes_to_the_same_weights(
    recipe: dict[str, object],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    killed_after: int,
) -> None:
    whole = settings_of(recipe, max_steps=6, schedule="linear", sample_size=4)
    train_student(whole)
    broken = whole.model_copy(update={"out": tmp_path / "broken", "checkpoint_every": 2})
    original = Trainer.run

    def dying(self: Trainer, step: int, lists: list[object], spent: float) -> object:
        if step == killed_after:
            raise Killed
        return original(self, step, lists, spent)  # type: ignore[arg-type]  # passed on as they came

    monkeypatch.setattr(Trainer, "run", dying)
    with pytest.raises(Killed):
        train_student(broken)
    assert not (broken.out / "config.json").exists()
    monkeypatch.setattr(Trainer, "run", original)
    again = broken.model_copy(update={"checkpoint_every": 2})
    assert train_student(again).steps == 6
    expected, resumed = weights(whole.out), weights(broken.out)
    for name, tensor in expected.items():
        torch.testing.assert_close(resumed[name], tensor, rtol=0, atol=1e-6, msg=name)
    log = (broken.out / ".rankgen" / "metrics.jsonl").read_text(encoding="utf-8")
    assert [json.loads(line)["step"] for line in log.splitlines()] == [1, 2, 3, 4, 5, 6]


def test_tensorboard_shows_the_steps(recipe: dict[str, object]) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    settings = settings_of(recipe, max_steps=3)
    train_student(settings)
    board = EventAccumulator(str(settings.out / ".rankgen" / "tensorboard"))
    board.Reload()
    lines = (settings.out / ".rankgen" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    losses = [json.loads(line)["loss"] for line in lines]
    assert [event.step for event in board.Scalars("loss")] == [1, 2, 3]
    assert [event.value for event in board.Scalars("loss")] == pytest.approx(losses, rel=1e-6)


def test_nan_stops_with_the_queries_and_keeps_the_checkpoint(
    recipe: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    original = step_module.forward_sorted
    calls = []

    def failing(*arguments: object) -> torch.Tensor:
        calls.append(1)
        scores: torch.Tensor = original(*arguments)  # type: ignore[arg-type]  # passed on as they came
        return scores * math.nan if len(calls) > 2 else scores

    monkeypatch.setattr(step_module, "forward_sorted", failing)
    settings = settings_of(recipe, max_steps=5, checkpoint_every=2)
    with pytest.raises(IncompleteRun, match=r"the loss of step 3 is nan \(queries q"):
        train_student(settings)
    assert (settings.out / ".rankgen" / "checkpoint.pt").exists()
    assert not (settings.out / "config.json").exists()


def test_frozen_layers_keep_their_weights(recipe: dict[str, object]) -> None:
    settings = settings_of(recipe, max_steps=2, frozen_layers=1, weight_decay=0.5)
    train_student(settings)
    fresh = load_backbone(
        settings.backbone, seed=3, query_tokens=8, passage_tokens=16, dropout=None
    ).model.state_dict()
    for name, tensor in weights(settings.out).items():
        if name == "classifier.bias":
            # A constant for all scores, which RankNet cannot learn.
            continue
        is_frozen = "embeddings" in name or ".layer.0." in name
        assert torch.equal(tensor, fresh[name]) == is_frozen, name


def test_lists_of_one_are_skipped_and_counted(
    recipe: dict[str, object], write_rankings: Callable[..., Path]
) -> None:
    orders, queries, documents = toy_lists(queries=3, passages=4)
    orders["q00"] = orders["q00"][:1]
    folder = write_rankings("short", orders, queries, documents)
    summary = train_student(settings_of(recipe, rankings=folder, max_steps=1))
    assert (summary.lists, summary.skipped_lists) == (2, 1)


def test_only_lists_of_one_is_one_sentence(
    recipe: dict[str, object], write_rankings: Callable[..., Path]
) -> None:
    folder = write_rankings("one", *toy_lists(queries=2, passages=1))
    with pytest.raises(UsageError, match="no ranking of two passages"):
        train_student(settings_of(recipe, rankings=folder, max_steps=1))
    assert not Path(str(recipe["out"])).exists()


def upside_down(write_candidates: Callable[..., Path], folder: Path) -> dict[str, object]:
    """Returns the settings of a validation whose first stage has the lists upside down."""
    orders, queries, documents = toy_lists(queries=4, passages=6)
    lists = {q: [(d, 1.0 - n) for n, d in enumerate(ids[::-1])] for q, ids in orders.items()}
    qrels = folder / "qrels.trec"
    qrels.write_text("".join(f"{q} 0 {ids[0]} 1\n" for q, ids in orders.items()))
    candidates = write_candidates("validation", lists, queries, documents)
    return {"validation": candidates, "validation_qrels": qrels}


def test_validation_keeps_the_best_weights_and_stops_early(
    recipe: dict[str, object],
    write_candidates: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    measured = iter([0.3, 0.6, 0.5, 0.4])
    kept: dict[str, torch.Tensor] = {}

    def measure(self: object, encoder: Any, _hardware: object) -> dict[str, float]:
        value = next(measured)
        if value == 0.6:
            model = encoder.model
            kept.update({name: tensor.clone() for name, tensor in model.state_dict().items()})
        return {MEASURE: value}

    monkeypatch.setattr(training_run.Validations, "__call__", measure)
    settings = settings_of(
        recipe,
        max_steps=50,
        **upside_down(write_candidates, tmp_path),
        validate_every=2,
        patience_steps=4,
    )
    summary = train_student(settings)
    assert (summary.steps, summary.best_step, summary.validation) == (8, 4, 0.6)
    assert summary.ended_by == "patience"
    assert summary.first_stage == pytest.approx(1 / math.log2(7))
    stored = weights(settings.out)
    assert all(torch.equal(stored[name], kept[name]) for name in stored)


def test_validation_measures_the_student(
    recipe: dict[str, object], write_candidates: Callable[..., Path], tmp_path: Path
) -> None:
    validation = upside_down(write_candidates, tmp_path)
    summary = train_student(settings_of(recipe, max_steps=40, **validation))
    assert summary.first_stage is not None
    assert summary.validation is not None
    assert summary.validation > summary.first_stage + 0.3


@pytest.mark.parametrize("changed", [{"los": "ranknet"}, {"queries_per_step": 0}])
def test_settings_refuse_what_they_do_not_know(
    recipe: dict[str, object], changed: dict[str, object]
) -> None:
    with pytest.raises(ValueError, match=next(iter(changed))):
        settings_of(recipe, **changed)
