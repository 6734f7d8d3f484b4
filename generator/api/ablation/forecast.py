"""`ablate --dry-run`: what the cells would cost, from a measured rate, and what is done."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from rankgen.generator.api.ablation.grid import Cell, cells_of
from rankgen.generator.api.ablation.settings import AblateOptions
from rankgen.generator.api.training_cost import (
    SCORING_SPEED,
    duration,
    scored_pairs,
    training_cost,
)
from rankgen.generator.api.trainings_forecast import TrainingsForecast, forecast_rate
from rankgen.students.training.student_folder import finished_summary

State = Literal["done", "trained", "begun", ""]


class CellForecast(BaseModel):
    """One cell.

    Attributes:
        lists: Lists that teach something.
        passages: Passages in all of them.
        steps: Optimizer steps; fewer where a validation or a time limit ends the training.
        pairs: Pairs that the steps read.
        scored: Pairs that validations and evaluations score.
        tokens: Tokens of `pairs`.
        seconds: Estimated time of all that is left.
        state: What is there already.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    lists: int
    passages: int
    steps: int
    pairs: int
    scored: int
    tokens: int
    seconds: float
    state: State


class Forecast(TrainingsForecast):
    """All cells."""

    cells: tuple[CellForecast, ...]

    @property
    def seconds(self) -> float:
        """The time of all that is left, one cell after the other."""
        return sum(cell.seconds for cell in self.cells)

    def text(self) -> str:
        """Returns the forecast for the terminal."""
        width = max(len(cell.name) for cell in self.cells)
        lines = [
            f"{'cell':<{width}} {'lists':>8} {'passages':>10} {'steps':>8} {'tokens':>15} time"
        ]
        for cell in self.cells:
            lines.append(
                f"{cell.name:<{width}} {cell.lists:>8,} {cell.passages:>10,} {cell.steps:>8,} "
                f"{cell.tokens:>15,} {duration(cell.seconds) if cell.state != 'done' else ''}"
                + (f" ({cell.state})" if cell.state else "")
            )
        done = sum(cell.state == "done" for cell in self.cells)
        return "\n".join(
            [
                *lines,
                f"{len(self.cells)} cells, {done} done; {duration(self.seconds)} left "
                f"{self.counted_with}",
                "steps are the most that a cell takes: a validation may end it earlier",
            ]
        )


def forecast_ablation(options: AblateOptions, tokens_per_second: float | None) -> Forecast:
    """Estimates every cell; writes nothing.

    Args:
        options: The settings of the ablation.
        tokens_per_second: The rate of training; None measures a few steps of the backbone, on
            lists of the largest cell.

    Raises:
        RankgenError: The ablation itself would raise it before its first step.
    """
    from rankgen.students.training.pace import measured_pace

    cells = cells_of(options)
    largest = max(cells, key=lambda cell: cell.size.passages)
    training = largest.training.training()
    uncut = training.model_copy(update={"rankings": largest.subsample.rankings})
    pace = measured_pace(uncut.model_copy(update={"depth": training.depth or largest.depth}))
    rate, source = forecast_rate(tokens_per_second, pace, training.backbone)
    return Forecast(
        cells=tuple(_cell(cell, pace.tokens_per_pair, rate) for cell in cells),
        tokens_per_second=rate,
        tokens_per_pair=pace.tokens_per_pair,
        rate_source=source,
    )


def _cell(cell: Cell, tokens_per_pair: float, rate: float) -> CellForecast:
    size = cell.size
    lists = size.queries - size.unordered_lists
    mean = size.passages / max(1, size.queries)
    cost = training_cost(cell.training, lists, mean, tokens_per_pair, rate)
    evaluated = sum(
        scored_pairs(evaluation.candidates, evaluation.depth)
        for evaluation in cell.evaluations.values()
        if evaluation.candidates is not None
    )
    state = _state(cell)
    seconds = evaluated * tokens_per_pair / SCORING_SPEED / rate
    seconds += 0.0 if state == "trained" else cost.seconds
    return CellForecast(
        name=cell.name,
        lists=lists,
        passages=size.passages,
        steps=cost.steps,
        pairs=cost.pairs,
        scored=cost.scored + evaluated,
        tokens=cost.tokens,
        seconds=0.0 if state == "done" else seconds,
        state=state,
    )


def _state(cell: Cell) -> State:
    out = cell.training.out
    if finished_summary(out) is None:
        return "begun" if (out / ".rankgen").exists() else ""
    outs = (evaluation.out for evaluation in cell.evaluations.values())
    return "done" if all((out / "evaluation.json").exists() for out in outs) else "trained"
