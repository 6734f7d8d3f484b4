"""`rankgen ablate`: the grid of the paper's Figure 1 over labelled sets."""

from __future__ import annotations

from typing import Annotated

from pydantic import PositiveFloat

from rankgen.generator.api.ablation.settings import AblateOptions
from rankgen.generator.commands.options import Printing
from rankgen.generator.commands.reporting import say
from rankgen.manifests.options import Option, Settings


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


def ablate(options: AblateOptions, estimating: Estimating, printing: Printing) -> None:
    """Trains and evaluates every cell, and prints and draws the figures."""
    if estimating.dry_run:
        from rankgen.generator.api.ablation.forecast import forecast_ablation

        forecast = forecast_ablation(options, estimating.tokens_per_second)
        values = {**forecast.model_dump(mode="json"), "seconds": forecast.seconds}
        say(forecast.text(), values, printing)
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
