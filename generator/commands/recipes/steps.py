"""The steps of a recipe as `run` shows them and reads their settings."""

from __future__ import annotations

from rankgen.generator.commands.from_models import settings_of
from rankgen.generator.commands.registry import function_of
from rankgen.manifests.options import Settings
from rankgen.manifests.recipes.recipe import Recipe, Step
from rankgen.manifests.validation import validated


def step_settings(recipe: Recipe, step: Step, ray_address: str | None) -> Settings:
    """Returns a step's settings; it runs on the cluster of all where it names none of its own."""
    model = next(iter(settings_of(function_of(step.command)).values()))
    shared = {"ray_address": ray_address} if "ray_address" in model.model_fields else {}
    values = {**shared, **recipe.step_options(step)}
    return validated(model, values, f"recipe {recipe.name}, step '{step.name}'")


def heading(recipe: Recipe, step: Step, number: int) -> str:
    """Returns the line that begins a step, which is the `number`th from 1."""
    return f"[{number}/{len(recipe.steps)}] {step.name}: {step.command}"
