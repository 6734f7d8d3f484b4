"""`rankgen tune`: a seeded search for a training's settings, on validation."""

from __future__ import annotations

from rankgen.generator.api.tuning.settings import TuneOptions
from rankgen.generator.commands.estimating import Estimating, say_forecast
from rankgen.generator.commands.options import Printing
from rankgen.generator.commands.reporting import say


def tune(options: TuneOptions, estimating: Estimating, printing: Printing) -> None:
    """Trains the trials and prints the best one, its recipe and the table of all."""
    if estimating.dry_run:
        from rankgen.generator.api.tuning.forecast import forecast_tune

        say_forecast(forecast_tune(options, estimating.tokens_per_second), printing)
        return
    from rankgen.generator.api.tuning.run import run_tune
    from rankgen.generator.api.tuning.unfinished import problem_of

    result = run_tune(options)
    say(result.text(), result.as_json(), printing)
    if problem := problem_of(result):
        raise problem
