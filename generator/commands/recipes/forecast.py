"""`rankgen run --dry-run`: the steps of a recipe, how far each is, and the budget of all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import PositiveFloat

from rankgen.generator.commands.label import forecast_label
from rankgen.generator.commands.options import Forecast, Printing
from rankgen.generator.commands.recipes.steps import heading, step_settings
from rankgen.generator.commands.retrieve import describe_retrieve
from rankgen.generator.jobs.label.settings import LabelOptions
from rankgen.generator.jobs.retrieve.settings import RetrieveOptions
from rankgen.manifests.options import Option, Settings
from rankgen.manifests.recipes.estimates import Rate
from rankgen.manifests.recipes.recipe import Recipe, Step

if TYPE_CHECKING:
    from rankgen.generator.commands.recipes.step_costs import StepCosts


class RateSettings(Settings):
    """What --dry-run counts with; the recipe's own rates come next, then assumed ones."""

    panel = "Forecast"
    measure: Annotated[
        bool,
        Option("Time some training steps of each backbone on this machine, for --dry-run."),
    ] = False
    train_tokens_per_second: Annotated[
        PositiveFloat | None,
        Option("What --dry-run assumes of training.", "the recipe's, or 250,000"),
    ] = None
    label_tokens_per_second: Annotated[
        PositiveFloat | None,
        Option(
            "What --dry-run assumes of labelling on one GPU, prompt and output together.",
            "the recipe's, or 30,000",
        ),
    ] = None


def describe_recipe(recipe: Recipe, rates: RateSettings, ray_address: str | None = None) -> None:
    """Checks every step's settings and prints them, with its state, its cost, and the budget.

    Raises:
        RankgenError: A step is wrong, or a rate is to be measured and cannot be.
    """
    from rankgen.generator.commands.recipes.budget import FINISHED, budget_of, budget_text
    from rankgen.generator.commands.recipes.step_states import State, step_state

    costs = _costs(recipe, rates)
    print(f"{recipe.name}: {recipe.about}\nout: {recipe.out}")
    states: dict[str, State] = {}
    for number, step in enumerate(recipe.steps, start=1):
        settings = step_settings(recipe, step, ray_address)
        is_reused = step.name in recipe.reused
        states[step.name] = "reused" if is_reused else step_state(settings)
        print(f"{heading(recipe, step, number)} ({states[step.name]})")
        is_finished = states[step.name] in FINISHED
        if is_finished:
            costs.hold(recipe.folder(step.name))
        if is_reused:
            print(f"    from {recipe.folder(step.name)}")
            continue
        _describe(recipe, step, settings)
        cost = costs.of(settings)
        if isinstance(settings, LabelOptions) and not is_finished:
            settings.settings().teacher.resolved()
            if (settings.candidates / "manifest.json").exists():
                rate = Forecast(tokens_per_second=costs.label_rate.tokens_per_second)
                forecast_label(settings, rate, Printing())
                continue
            cost = cost or "known once its candidates are there; repeat --dry-run then"
        if cost is not None:
            print(f"    cost: {cost}")
    if text := budget_text(budget_of(recipe, costs, states), costs):
        print(text)


def _describe(recipe: Recipe, step: Step, settings: Settings) -> None:
    for name, value in recipe.step_options(step).items():
        print(f"    {name} = {value}")
    if isinstance(settings, RetrieveOptions):
        settings.settings()
        describe_retrieve(settings)


def _costs(recipe: Recipe, rates: RateSettings) -> StepCosts:
    """Returns what counts the costs: with given rates first, then measured, then the recipe's."""
    from rankgen.generator.commands.recipes.step_costs import ASSUMED_LABELLING, StepCosts
    from rankgen.generator.commands.recipes.training_rates import ASSUMED_TRAINING, TrainingRates

    given, told = rates.train_tokens_per_second, recipe.rates.rate("train")
    labelling, label_told = rates.label_tokens_per_second, recipe.rates.rate("label")
    return StepCosts(
        rates=TrainingRates(
            Rate(given, "as given") if given else told or ASSUMED_TRAINING,
            measures=rates.measure and given is None,
        ),
        label_rate=Rate(labelling, "as given") if labelling else label_told or ASSUMED_LABELLING,
        sizes={str(recipe.folder(name)): lists for name, lists in recipe.sizes.items()},
    )
