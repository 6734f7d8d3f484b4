"""`rankgen ablate`: the grid of the paper's Figure 1 over labelled sets."""

from __future__ import annotations

from rankgen.generator.api.ablation.settings import AblateOptions
from rankgen.generator.commands.estimating import Estimating, say_forecast
from rankgen.generator.commands.options import Printing
from rankgen.generator.commands.reporting import say


def ablate(options: AblateOptions, estimating: Estimating, printing: Printing) -> None:
    """Trains and evaluates every cell, and prints and draws the figures."""
    if estimating.dry_run:
        from rankgen.generator.api.ablation.forecast import forecast_ablation

        say_forecast(forecast_ablation(options, estimating.tokens_per_second), printing)
        return
    from rankgen.generator.api.ablation.run import DRAWING, TABLE, run_ablate
    from rankgen.manifests.errors import IncompleteRun

    ablation = run_ablate(options)
    parts = [ablation.text()] if ablation.figures else []
    parts += [f"table: {options.out / TABLE}\nfigure: {options.out / DRAWING}"]
    say("\n\n".join(parts), ablation.as_json(), printing)
    if ablation.failed:
        name, reason = next(iter(ablation.failed.items()))
        count = len(ablation.failed)
        cells = "cell has" if count == 1 else "cells have"
        raise IncompleteRun(
            f"{count} {cells} no figure in {options.out} (first: {name}: {reason})",
            "repeat the command to try again; the other cells are kept",
        )
