"""`rankgen run`: the steps of a recipe, one after the other."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from rankgen.generator.commands.from_models import settings_of
from rankgen.generator.commands.options import Metrics
from rankgen.generator.commands.recipes.forecast import RateSettings, describe_recipe
from rankgen.generator.commands.recipes.steps import heading, step_settings
from rankgen.generator.commands.registry import STEPS, function_of
from rankgen.generator.jobs.settings import ClusterSettings
from rankgen.manifests.options import Option
from rankgen.manifests.recipes.recipe import Recipe, load_recipe


class RunSettings(ClusterSettings):
    """Which recipe, and what is changed of it.

    A step that names its own ray_address runs there, all others at --ray-address.
    """

    recipe: Annotated[
        str,
        Option(
            "A TOML file, or the name of a shipped recipe.", metavar="FILE|NAME", is_argument=True
        ),
    ]
    overrides: Annotated[
        tuple[str, ...],
        Option(
            "Override a setting of a step; repeatable.",
            flags=("--set",),
            metavar="STEP.OPTION=VALUE",
        ),
    ] = ()
    out: Annotated[
        Path | None, Option("Folder of all steps.", "the recipe's", metavar="FOLDER")
    ] = None
    reuse: Annotated[
        tuple[str, ...],
        Option(
            "Take the result of a step from this folder instead of running it; repeatable.",
            metavar="STEP=FOLDER",
        ),
    ] = ()
    dry_run: Annotated[
        bool,
        Option("Check the recipe, and print its steps, how far each is, and what they cost."),
    ] = False


def run(settings: RunSettings, rates: RateSettings, metrics: Metrics) -> None:
    """Runs a recipe, or says what it would do."""
    recipe = load_recipe(settings.recipe, STEPS, settings.overrides, settings.out, settings.reuse)
    if settings.dry_run:
        describe_recipe(recipe, rates, settings.ray_address)
        return
    with metrics.published():
        run_steps(recipe, settings.ray_address)


def run_recipe(
    named: str, overrides: Sequence[str], out: Path | None, ray_address: str | None = None
) -> None:
    """Runs every step; each resumes or recognises what it did before.

    Args:
        named: See `load_recipe`, as for the next two.
        overrides: `STEP.OPTION=VALUE` texts.
        out: The folder of all steps; None takes the recipe's.
        ray_address: The cluster of every step that names none of its own.

    Raises:
        RankgenError: The recipe or a step of it is wrong; later steps are not started.
    """
    run_steps(load_recipe(named, STEPS, overrides, out), ray_address)


def run_steps(recipe: Recipe, ray_address: str | None = None) -> None:
    """Runs every step of a recipe that is not reused; see `run_recipe`."""
    from rankgen.generator.shards.cluster import kept_session

    # A wrong setting of the last step is told now, not after days.
    settings = {
        step.name: step_settings(recipe, step, ray_address)
        for step in recipe.steps
        if step.name not in recipe.reused
    }
    with kept_session():
        for number, step in enumerate(recipe.steps, start=1):
            if step.name in recipe.reused:
                reused = f"{heading(recipe, step, number)}: reused from {recipe.folder(step.name)}"
                print(reused, file=sys.stderr)
                continue
            print(heading(recipe, step, number), file=sys.stderr)
            command = function_of(step.command)
            (first, _), *others = settings_of(command).items()
            rest = {parameter: model() for parameter, model in others}
            command(**{first: settings[step.name]}, **rest)
