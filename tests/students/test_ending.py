"""What ends a training: its steps, its patience, its time; and which weights it leaves."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from toy_training import lines, settings_of, toy_lists, weights

from rankgen.students import training_run
from rankgen.students.step import StepReport, Trainer
from rankgen.students.train import train_student
from rankgen.students.training_run import checkpoint_path


class Killed(Exception):
    """Stands for kill -9: nothing between the steps sees it coming."""


@pytest.fixture
def validated(
    recipe: dict[str, object], write_candidates: Callable[..., Path], tmp_path: Path
) -> dict[str, object]:
    """A recipe with a validation whose relevant passages are those that the teacher likes best."""
    orders, queries, documents = toy_lists(queries=4, passages=6)
    lists = {q: [(d, float(n)) for n, d in enumerate(ids)] for q, ids in orders.items()}
    qrels = tmp_path / "qrels.trec"
    qrels.write_text("".join(f"{q} 0 {ids[0]} 1\n" for q, ids in orders.items()))
    folder = write_candidates("validation", lists, queries, documents)
    return recipe | {"validation": folder, "validation_qrels": qrels}


def measures(monkeypatch: pytest.MonkeyPatch, values: list[float]) -> None:
    coming = iter(values)
    monkeypatch.setattr(training_run.Validation, "__call__", lambda *_, **__: next(coming))


@pytest.mark.parametrize(
    ("every", "patience", "values", "steps", "best"),
    [
        # Every validation is better than the one before, however far apart they are.
        (15, 10, [0.1, 0.2, 0.3, 0.4], 50, 50),
        (15, 10, [0.1, 0.2, 0.1], 45, 30),
        (2, 4, [0.3, 0.6, 0.5, 0.4], 8, 4),
        (5, 7, [0.5, 0.4, 0.3], 15, 5),
    ],
)
def test_patience_is_decided_by_a_validation(
    validated: dict[str, object],
    monkeypatch: pytest.MonkeyPatch,
    every: int,
    patience: int,
    values: list[float],
    steps: int,
    best: int,
) -> None:
    measures(monkeypatch, values)
    summary = train_student(
        settings_of(validated, max_steps=50, validate_every=every, patience_steps=patience)
    )
    assert (summary.steps, summary.best_step) == (steps, best)
    assert summary.ended_by == ("max steps" if steps == 50 else "patience")


def test_a_second_stage_that_makes_it_worse_keeps_its_start(
    validated: dict[str, object], tmp_path: Path
) -> None:
    first = settings_of(validated, max_steps=40)
    start = train_student(first)
    assert "step 0" not in (first.out / "README.md").read_text(encoding="utf-8")
    assert lines(first)[0]["step"] == 1
    second = settings_of(
        validated,
        backbone=str(first.out),
        out=tmp_path / "second",
        learning_rate=1.0,
        validate_every=2,
        patience_steps=4,
    )
    summary = train_student(second)
    assert summary.validation == start.validation
    assert (summary.best_step, summary.steps, summary.ended_by) == (0, 4, "patience")
    before, after = weights(first.out), weights(second.out)
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert [line["step"] for line in lines(second)] == [0, 1, 2, 2, 3, 4, 4]


def test_it_ends_when_its_time_is_spent(recipe: dict[str, object]) -> None:
    settings = settings_of(
        recipe, max_steps=10**6, max_minutes=0.03, schedule="linear", warmup_steps=10**5
    )
    summary = train_student(settings)
    assert summary.ended_by == "time budget"
    assert 1.8 <= summary.seconds < 5
    assert 2 < summary.steps == summary.best_step < 10**5
    rates = [line["learning_rate"] for line in lines(settings)]
    assert rates[0] == 0
    # The warm-up is a tenth of its time, and the decay ends with it.
    assert max(rates) > 0.8 * settings.learning_rate
    assert rates.index(max(rates)) < len(rates) / 2
    assert rates[-1] < 0.2 * settings.learning_rate
    record = json.loads((settings.out / "rankgen.json").read_text(encoding="utf-8"))
    assert record["figures"]["ended_by"] == "time budget"
    card = (settings.out / "README.md").read_text(encoding="utf-8")
    assert "ended by time budget" in card
    assert "| max_minutes | 0.03 |" in card


def test_steps_that_are_done_end_it_before_its_time(recipe: dict[str, object]) -> None:
    summary = train_student(settings_of(recipe, max_steps=2, max_minutes=50))
    assert (summary.steps, summary.ended_by) == (2, "max steps")


def test_a_kill_does_not_give_it_more_time(
    recipe: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of(recipe, max_steps=10**6, max_minutes=0.2, checkpoint_every=10**6)
    original = Trainer.run

    def dying(self: Trainer, *arguments: object) -> StepReport:
        # Long before `checkpoint_every`, for the time of a few slow steps would be lost.
        if checkpoint_path(settings.out).exists():
            raise Killed
        return original(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Trainer, "run", dying)
    with pytest.raises(Killed):
        train_student(settings)
    monkeypatch.setattr(Trainer, "run", original)
    path = checkpoint_path(settings.out)
    stored = torch.load(path, weights_only=True)
    assert 1.2 <= stored["state"]["seconds"] < 6
    stored["state"]["seconds"] = 60 * 0.2 - 0.1
    torch.save(stored, path)
    summary = train_student(settings)
    assert summary.ended_by == "time budget"
    assert summary.steps > stored["state"]["step"]
    assert 12 <= summary.seconds < 15
