"""What a search found: a table of its trials, and the best one's settings as a recipe."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, JsonValue

from rankgen.generator.api.train_options import TrainOptions
from rankgen.generator.api.tuning.trials import State, Trial
from rankgen.students.training.presets import PRESETS
from rankgen.students.training.settings import TrainSettings
from rankgen.students.training.student_folder import finished_summary

MEASURE = "nDCG@10"
# Where steps are run is no setting of the student.
_NOT_IN_A_RECIPE = frozenset({"out"})


class TrialResult(BaseModel):
    """One trial.

    Attributes:
        settings: What was drawn for it.
        steps: The step of its last validation.
        last: nDCG@10 there, where its curve ends; None before its first validation.
        best: The highest nDCG@10, at `best_step`.
        student: Its folder; None for a trial without a student.
        reason: Why it diverged or failed.
        hint: What to type or change where it failed by its settings, its data or the machine.
        exit_code: That of its error there; None where its process died.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    trial: int
    settings: dict[str, JsonValue]
    state: State
    steps: int
    last: float | None
    best: float | None
    best_step: int | None
    student: Path | None
    reason: str | None
    hint: str | None
    exit_code: int | None


class TuneResult(BaseModel):
    """All trials.

    Attributes:
        best: The finished trial with the highest nDCG@10 on validation; None without any.
        first_stage: nDCG@10 of the validation's first-stage order.
        validation: The sets that the search compared trials on.
        recipe: The file with the best trial's settings.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    trials: tuple[TrialResult, ...]
    best: int | None
    first_stage: float | None
    validation: tuple[str, ...]
    recipe: Path | None

    @property
    def notice(self) -> str:
        """What a reader of the figures must know."""
        return (
            f"the search chose by these figures, on {', '.join(self.validation)}, so that the best "
            "one is optimistic; test its student on other queries: rankgen evaluate"
        )

    def as_json(self) -> dict[str, JsonValue]:
        """Returns the published form."""
        form: dict[str, JsonValue] = self.model_dump(mode="json")
        return {**form, "notice": self.notice}

    def rows(self) -> list[list[str]]:
        """Returns the heading of the table and its rows, the best trials first."""
        names = sorted({name for one in self.trials for name in one.settings})
        head = ["trial", "state", "steps", f"last {MEASURE}", f"best {MEASURE}", "best step"]
        order = sorted(self.trials, key=lambda one: (one.state != "finished", -(one.best or -1.0)))
        return [[*head, *names]] + [
            [
                str(one.trial),
                one.state or "not begun",
                str(one.steps),
                _figure(one.last),
                _figure(one.best),
                "-" if one.best_step is None else str(one.best_step),
                *(_plain(one.settings.get(name)) for name in names),
            ]
            for one in order
        ]

    def as_tsv(self) -> str:
        """Returns the table as tab-separated values."""
        return "".join("\t".join(row) + "\n" for row in self.rows())

    def text(self) -> str:
        """Returns the best trial and the table for the terminal."""
        rows = self.rows()
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
            for row in rows
        ]
        found = next((one for one in self.trials if one.trial == self.best), None)
        if found is None or found.best is None:
            return "\n".join([*lines, "", "no trial has a student"])
        stage = f" (its first stage {_figure(self.first_stage)})"
        said = f"best: trial {found.trial}, validation {MEASURE} {found.best:.4f}{stage}"
        recipe = f"recipe: {self.recipe}\nstudent: {found.student}"
        return "\n".join([*lines, "", said, recipe, f"note: {self.notice}"])


def result_of(trials: Sequence[Trial], lost: Mapping[int, str], recipe: Path) -> TuneResult:
    """Reads what became of the trials.

    Args:
        trials: All of them.
        lost: Trial -> why its process failed too often.
        recipe: Where the best trial's settings are written.
    """
    rows = tuple(_row(trial, lost.get(trial.number)) for trial in trials)
    held = [one for one in rows if one.state == "finished" and one.best is not None]
    # Of equal ones, the first.
    best = max(held, key=lambda one: one.best or 0.0).trial if held else None
    shared = trials[0].settings
    summary = finished_summary(trials[(best or 1) - 1].settings.out)
    return TuneResult(
        trials=rows,
        best=best,
        first_stage=None if summary is None else summary.first_stage,
        validation=tuple(path.name for path in (*shared.validation, *shared.validation_rankings)),
        recipe=recipe if held else None,
    )


def _row(trial: Trial, lost: str | None) -> TrialResult:
    state, curve = trial.state, trial.curve
    if lost is not None and state not in ("finished", "stopped", "diverged"):
        state = "failed"
    best_step, best = max(curve, key=lambda point: (point[1], -point[0]), default=(None, None))
    fault = trial.fault
    return TrialResult(
        trial=trial.number,
        settings=dict(trial.drawn),
        state=state,
        steps=curve[-1][0] if curve else 0,
        last=curve[-1][1] if curve else None,
        best=best,
        best_step=best_step,
        student=trial.settings.out if state == "finished" else None,
        reason=trial.reason or lost,
        hint=None if fault is None else fault.hint,
        exit_code=None if fault is None else fault.exit_code,
    )


def recipe_toml(trial: Trial, preset: str | None, out: Path) -> str:
    """Returns a recipe that trains with a trial's settings: `rankgen run FILE`.

    Args:
        trial: The trial.
        preset: The preset that the search was given.
        out: The recipe's folder.
    """
    usual = {name: field.default for name, field in TrainOptions.model_fields.items()}
    usual |= PRESETS[preset] if preset is not None else {}
    values = trial.settings.model_dump(mode="json")
    # Types as the settings have them, since "a path" is no default of a path.
    own = {
        name: values[name]
        for name in TrainSettings.model_fields
        if name not in _NOT_IN_A_RECIPE and getattr(trial.settings, name) != usual.get(name)
    }
    step = {"name": "student", "command": "train-student"}
    step |= {} if preset is None else {"preset": preset}
    lines = [
        'name = "tuned"',
        f'about = "Trial {trial.number} of rankgen tune, the best on validation."',
        f"out = {_toml(str(out))}",
        "",
        "[[step]]",
        *(f"{name} = {_toml(value)}" for name, value in {**step, **own}.items()),
    ]
    return "\n".join(lines) + "\n"


def _toml(value: object) -> str:
    """Returns a string, number, bool or list as TOML; JSON writes these alike."""
    return json.dumps(value, ensure_ascii=False)


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _plain(value: JsonValue) -> str:
    return value if isinstance(value, str) else json.dumps(value)
