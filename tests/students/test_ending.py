"""What ends a training: its steps, its patience, its time; and which weights it leaves."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from toy_training import Killed, lines, settings_of, toy_lists, weights

from rankgen.students.training import loop as training_run
from rankgen.students.training.loop import checkpoint_path
from rankgen.students.training.step import StepReport, Trainer
from rankgen.students.training.train import train_student
from rankgen.students.training.validation import MEASURE


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
    monkeypatch.setattr(
        training_run.Validations, "__call__", lambda *_, **__: {MEASURE: next(coming)}
    )


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


class Clock:
    """Stands still, so that only steps take time."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A machine that takes three seconds for every step."""
    clock, original = Clock(), Trainer.run

    def slow(self: Trainer, *arguments: object) -> StepReport:
        report = original(self, *arguments)  # type: ignore[arg-type]  # passed on as they came
        clock.now += 3
        return report

    monkeypatch.setattr(training_run, "time", clock)
    monkeypatch.setattr(Trainer, "run", slow)
    return clock


@pytest.mark.usefixtures("clock")
def test_it_ends_when_its_time_is_spent(recipe: dict[str, object]) -> None:
    settings = settings_of(
        recipe, max_steps=1000, max_minutes=0.5, schedule="linear", warmup_steps=100
    )
    summary = train_student(settings)
    assert (summary.ended_by, summary.seconds) == ("time budget", 30)
    assert summary.steps == summary.best_step == 10
    # A tenth of the time is warm-up, as of the steps, and the decay ends with the time.
    rates = [line["learning_rate"] / settings.learning_rate for line in lines(settings)]
    assert rates == pytest.approx([0, *(n / 9 for n in range(9, 0, -1))])
    record = json.loads((settings.out / "rankgen.json").read_text(encoding="utf-8"))
    assert record["figures"]["ended_by"] == "time budget"
    card = (settings.out / "README.md").read_text(encoding="utf-8")
    assert "ended by time budget" in card
    assert "| max_minutes | 0.5 |" in card


@pytest.mark.usefixtures("clock")
def test_the_time_of_a_validation_counts(
    validated: dict[str, object], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(*_: object, **__: object) -> dict[str, float]:
        clock.now += 12
        return {MEASURE: 0.5}

    monkeypatch.setattr(training_run.Validations, "__call__", slow)
    summary = train_student(
        settings_of(validated, max_steps=1000, max_minutes=0.5, validate_every=3)
    )
    # Three steps, a validation (21 s), three steps, and the last validation.
    assert (summary.steps, summary.ended_by, summary.seconds) == (6, "time budget", 42)


def test_steps_that_are_done_end_it_before_its_time(recipe: dict[str, object]) -> None:
    summary = train_student(settings_of(recipe, max_steps=2, max_minutes=50))
    assert (summary.steps, summary.ended_by) == (2, "max steps")


@pytest.mark.usefixtures("clock")
def test_a_kill_does_not_give_it_more_time(
    recipe: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of(recipe, max_steps=1000, max_minutes=1, checkpoint_every=1000)
    slow = Trainer.run

    def dying(self: Trainer, *arguments: object) -> StepReport:
        # Long before `checkpoint_every`, for the time of a few slow steps would be lost.
        if checkpoint_path(settings.out).exists():
            raise Killed
        return slow(self, *arguments)  # type: ignore[arg-type]  # passed on as they came

    monkeypatch.setattr(Trainer, "run", dying)
    with pytest.raises(Killed):
        train_student(settings)
    stored = torch.load(checkpoint_path(settings.out), weights_only=True)
    assert (stored["state"]["step"], stored["state"]["seconds"]) == (2, 6)
    monkeypatch.setattr(Trainer, "run", slow)
    summary = train_student(settings)
    assert (summary.steps, summary.seconds, summary.ended_by) == (20, 60, "time budget")
