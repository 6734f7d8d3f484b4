"""`--dry-run` of the commands that train many students: what all of them would cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import PositiveFloat

from rankgen.generator.commands.options import Printing
from rankgen.generator.commands.reporting import say
from rankgen.manifests.options import Option, Settings

if TYPE_CHECKING:
    from rankgen.generator.api.trainings_forecast import TrainingsForecast


class Estimating(Settings):
    """Whether the command only says what its trainings would cost."""

    dry_run: Annotated[
        bool,
        Option("Print each training, what it would cost and what is done, from a few timed steps."),
    ] = False
    tokens_per_second: Annotated[
        PositiveFloat | None,
        Option("What --dry-run assumes of training, instead of the rate of this machine."),
    ] = None


def say_forecast(forecast: TrainingsForecast, printing: Printing) -> None:
    """Prints what the trainings would cost."""
    values = {**forecast.model_dump(mode="json"), "seconds": forecast.seconds}
    say(forecast.text(), values, printing)
