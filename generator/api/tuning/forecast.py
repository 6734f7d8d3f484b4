"""`tune --dry-run`: the trials, what they would cost at a measured rate, and what has ended."""

from __future__ import annotations

import json

from pydantic import BaseModel, ConfigDict, JsonValue

from rankgen.generator.api.training_cost import duration, training_cost
from rankgen.generator.api.trainings_forecast import TrainingsForecast, forecast_rate
from rankgen.generator.api.tuning.run import halving_of
from rankgen.generator.api.tuning.settings import TuneOptions
from rankgen.generator.api.tuning.trials import ENDED, State, Trial, search_of
from rankgen.manifests.counted import counted


class TrialForecast(BaseModel):
    """One trial.

    Attributes:
        steps: The most optimizer steps; fewer where it is stopped or a validation ends it.
        seconds: Estimated time of all of them; 0 for a trial that has ended.
        state: What became of it so far.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    trial: int
    settings: dict[str, JsonValue]
    steps: int
    tokens: int
    seconds: float
    state: State


class TuneForecast(TrainingsForecast):
    """All trials.

    Attributes:
        rungs: Steps at which trials are compared.
        reduction: One in so many goes on there.
        expected_share: Share of all steps that is taken if exactly so many go on.
    """

    trials: tuple[TrialForecast, ...]
    rungs: tuple[int, ...]
    reduction: int
    expected_share: float

    @property
    def seconds(self) -> float:
        """The time of all that is left if nothing is stopped, one trial after the other."""
        return sum(trial.seconds for trial in self.trials)

    def text(self) -> str:
        """Returns the forecast for the terminal."""
        lines = [
            f"trial {one.trial:>3}: {_said(one.settings)}; {counted(one.steps, 'step')}, "
            f"{counted(one.tokens, 'token')}, {duration(one.seconds)}"
            + (f" ({one.state})" if one.state else "")
            for one in self.trials
        ]
        ended = sum(one.state in ENDED for one in self.trials)
        rungs = ", ".join(f"{rung:,}" for rung in self.rungs)
        compared = f"compared at steps {rungs}, where one in {self.reduction} goes on"
        return "\n".join(
            [
                *lines,
                compared if rungs else "never compared: the trainings are too short",
                f"{counted(len(self.trials), 'trial')}, {ended} ended; at most "
                f"{duration(self.seconds)} left, about "
                f"{duration(self.seconds * self.expected_share)} if that many are stopped, "
                f"{self.counted_with}",
            ]
        )


def forecast_tune(options: TuneOptions, tokens_per_second: float | None) -> TuneForecast:
    """Estimates every trial; writes nothing.

    Args:
        options: The settings of the search.
        tokens_per_second: The rate of training; None measures a few steps of the backbone.

    Raises:
        RankgenError: The search itself would raise it before its first step.
    """
    from rankgen.students.training.pace import measured_pace

    search = search_of(options)
    settings = search.trials[0].settings
    pace = measured_pace(settings)
    rate, source = forecast_rate(tokens_per_second, pace, settings.backbone)
    halving = halving_of(options, search.trials)
    return TuneForecast(
        trials=tuple(_trial(trial, pace.tokens_per_pair, rate) for trial in search.trials),
        rungs=tuple(halving.rungs),
        reduction=halving.reduction,
        expected_share=halving.expected_share,
        tokens_per_second=rate,
        tokens_per_pair=pace.tokens_per_pair,
        rate_source=source,
    )


def _trial(trial: Trial, tokens_per_pair: float, rate: float) -> TrialForecast:
    mean = trial.passages / trial.lists
    cost = training_cost(trial.settings, trial.lists, mean, tokens_per_pair, rate)
    state = trial.state
    return TrialForecast(
        trial=trial.number,
        settings=dict(trial.drawn),
        steps=cost.steps,
        tokens=cost.tokens,
        seconds=0.0 if state in ENDED else cost.seconds,
        state=state,
    )


def _said(settings: dict[str, JsonValue]) -> str:
    return ", ".join(f"{name}={json.dumps(value)}" for name, value in settings.items())
