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
    from rankgen.manifests.errors import IncompleteRun

    result = run_tune(options)
    say(result.text(), result.as_json(), printing)
    left = [one for one in result.trials if one.state in ("failed", "begun", "")]
    if left:
        raise IncompleteRun(
            f"{len(left)} of {len(result.trials)} trials have not ended (first: trial "
            f"{left[0].trial}: {left[0].reason or 'not trained'})",
            "repeat the command to try again; the other trials are kept",
        )
