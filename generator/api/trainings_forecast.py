"""What a forecast of several trainings says, whatever they are for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, NamedTuple

from pydantic import BaseModel, ConfigDict

from rankgen.generator.api.training_cost import SCORING_SPEED
from rankgen.manifests.counted import counted

if TYPE_CHECKING:
    from rankgen.students.training.pace import Pace


class ForecastRate(NamedTuple):
    """How fast a forecast takes trainings to be.

    Attributes:
        tokens_per_second: Of a training step.
        source: Where that is from, in words.
    """

    tokens_per_second: float
    source: str


def forecast_rate(given: float | None, pace: Pace, backbone: str) -> ForecastRate:
    """Returns the rate that a user gives, or else the measured one.

    Args:
        given: Tokens per second; None takes the measured rate.
        pace: Some timed steps.
        backbone: What was trained in them.
    """
    if given:
        return ForecastRate(given, "as given")
    measured = f"measured on {counted(pace.steps, 'step')} of {backbone} on {pace.device}"
    return ForecastRate(pace.tokens_per_second, measured)


class TrainingsForecast(BaseModel, ABC):
    """What trainings would cost.

    Attributes:
        tokens_per_second: Of a training step.
        tokens_per_pair: Mean length of a pair.
        rate_source: Where the rate comes from.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    tokens_per_second: float
    tokens_per_pair: float
    rate_source: str

    @property
    @abstractmethod
    def seconds(self) -> float:
        """The time of all that is left, one training after the other."""

    @abstractmethod
    def text(self) -> str:
        """Returns the forecast for the terminal."""

    @property
    def counted_with(self) -> str:
        """The rates that the time is counted with, in words."""
        return (
            f"at {self.tokens_per_second:,.0f} tokens/s of training ({self.rate_source}), "
            f"{self.tokens_per_pair:.0f} tokens a pair, scoring {SCORING_SPEED:.0f} times as "
            "fast (assumed)"
        )
