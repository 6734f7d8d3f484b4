"""`rankgen run`: the steps of a recipe, one after the other."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from rankgen.generator.commands.from_models import settings_of
from rankgen.generator.commands.label import forecast_label
from rankgen.generator.commands.options import Forecast, Metrics, Printing
from rankgen.generator.commands.registry import STEPS, function_of
from rankgen.generator.commands.retrieve import describe_retrieve
from rankgen.generator.jobs.label.settings import LabelOptions
from rankgen.generator.jobs.retrieve.settings import RetrieveOptions
from rankgen.generator.jobs.settings import ClusterSettings
from rankgen.manifests.options import Option, Settings
from rankgen.manifests.validation import validated

if TYPE_CHECKING:
    from rankgen.manifests.recipes.recipe import Recipe, Step


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
    dry_run: Annotated[
        bool, Option("Check the recipe, and print its steps and what they cost.")
    ] = False


def run(settings: RunSettings, metrics: Metrics) -> None:
    """Runs a recipe, or says what it would do."""
    recipe, overrides, out = settings.recipe, settings.overrides, settings.out
    if settings.dry_run:
        describe_recipe(recipe, overrides, out, settings.ray_address)
        return
    with metrics.published():
        run_recipe(recipe, overrides, out, settings.ray_address)


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
    from rankgen.generator.shards.cluster import kept_session
    from rankgen.manifests.recipes.recipe import load_recipe

    recipe = load_recipe(named, STEPS, overrides, out)
    with kept_session():
        for number, step in enumerate(recipe.steps, start=1):
            print(_heading(recipe, step, number), file=sys.stderr)
            command = function_of(step.command)
            (first, _), *others = settings_of(command).items()
            rest = {parameter: model() for parameter, model in others}
            command(**{first: _settings(recipe, step, ray_address)}, **rest)


def describe_recipe(
    named: str, overrides: Sequence[str], out: Path | None, ray_address: str | None = None
) -> None:
    """Checks every step's settings and prints them, with what they cost where that is known."""
    from rankgen.generator.commands.step_costs import StepCosts
    from rankgen.manifests.recipes.recipe import load_recipe

    recipe = load_recipe(named, STEPS, overrides, out)
    print(f"{recipe.name}: {recipe.about}\nout: {recipe.out}")
    costs = StepCosts()
    for number, step in enumerate(recipe.steps, start=1):
        print(_heading(recipe, step, number))
        settings = _settings(recipe, step, ray_address)
        for name, value in recipe.step_options(step).items():
            print(f"    {name} = {value}")
        if isinstance(settings, RetrieveOptions):
            settings.settings()
            describe_retrieve(settings)
        cost = costs.of(settings)
        if isinstance(settings, LabelOptions):
            settings.settings().teacher.resolved()
            if (settings.candidates / "manifest.json").exists():
                forecast_label(settings, Forecast(), Printing())
                continue
            cost = cost or "known once its candidates are there; repeat --dry-run then"
        if cost is not None:
            print(f"    cost: {cost}")
    if (total := costs.total()) is not None:
        print(total)


def _settings(recipe: Recipe, step: Step, ray_address: str | None) -> Settings:
    """Returns a step's settings; it runs on the cluster of all where it names none of its own."""
    model = next(iter(settings_of(function_of(step.command)).values()))
    shared = {"ray_address": ray_address} if "ray_address" in model.model_fields else {}
    values = {**shared, **recipe.step_options(step)}
    return validated(model, values, f"recipe {recipe.name}, step '{step.name}'")


def _heading(recipe: Recipe, step: Step, number: int) -> str:
    return f"[{number}/{len(recipe.steps)}] {step.name}: {step.command}"
