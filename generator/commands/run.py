"""`rankgen run`: the steps of a recipe, one after the other."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rankgen.generator.commands.evaluate import perform_evaluate
from rankgen.generator.commands.label import forecast_label, perform_label
from rankgen.generator.commands.metrics_options import MetricsFile, MetricsPort
from rankgen.generator.commands.negatives import perform_negatives
from rankgen.generator.commands.options import RayAddress
from rankgen.generator.commands.reporting import reported
from rankgen.generator.commands.rerank import perform_rerank
from rankgen.generator.commands.retrieve import describe_retrieve, perform_retrieve
from rankgen.generator.commands.train_student import perform_train_student

if TYPE_CHECKING:
    from rankgen.manifests.recipes.recipe import Recipe, Step

ASSUMED_TOKENS_PER_SECOND = 30_000.0
# Steps of these commands start Ray's workers.
ON_RAY = frozenset({"retrieve", "negatives", "label", "train-student", "rerank"})


@reported
def run(
    recipe: Annotated[str, typer.Argument(help="A TOML file, or the name of a shipped recipe.")],
    sets: Annotated[
        list[str] | None, typer.Option("--set", help="STEP.OPTION=VALUE; repeatable.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of all steps.", show_default="the recipe's")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check the recipe and print its steps and costs.")
    ] = False,
    ray_address: RayAddress = None,
    metrics_port: MetricsPort = None,
    metrics_file: MetricsFile = None,
) -> None:
    """Run a recipe; repeat the command to resume it.

    A step that names its own ray_address runs there, all others at --ray-address.
    """
    if dry_run:
        describe_recipe(recipe, sets or [], out, ray_address)
        return
    from rankgen.generator.shards.metrics import published_metrics

    with published_metrics(metrics_port, metrics_file):
        run_recipe(recipe, sets or [], out, ray_address)


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

    recipe = load_recipe(named, list(COMMANDS), overrides, out)
    with kept_session():
        for number, step in enumerate(recipe.steps, start=1):
            print(_heading(recipe, step, number), file=sys.stderr)
            where = f"recipe {recipe.name}, step '{step.name}'"
            COMMANDS[step.command](_options(recipe, step, ray_address), where)


def describe_recipe(
    named: str, overrides: Sequence[str], out: Path | None, ray_address: str | None = None
) -> None:
    """Checks every step's settings and prints them, with the cost of labelling where known."""
    from rankgen.generator.commands.step_check import check_step
    from rankgen.manifests.recipes.recipe import load_recipe

    recipe = load_recipe(named, list(COMMANDS), overrides, out)
    print(f"{recipe.name}: {recipe.about}\nout: {recipe.out}")
    for number, step in enumerate(recipe.steps, start=1):
        print(_heading(recipe, step, number))
        options = _options(recipe, step, ray_address)
        where = f"recipe {recipe.name}, step '{step.name}'"
        check_step(step.command, options, where)
        for name, value in options.items():
            print(f"    {name} = {value}")
        if step.command == "retrieve":
            describe_retrieve(options, where)
        if step.command == "label":
            if (Path(str(options["candidates"])) / "manifest.json").exists():
                forecast_label(options, where, ASSUMED_TOKENS_PER_SECOND)
            else:
                print("    cost: known once its candidates are there; repeat --dry-run then")


def _options(recipe: Recipe, step: Step, ray_address: str | None) -> dict[str, object]:
    """Returns a step's options, with the cluster of all steps where it names none of its own."""
    shared = {"ray_address": ray_address} if ray_address and step.command in ON_RAY else {}
    return {**shared, **recipe.step_options(step)}


def _heading(recipe: Recipe, step: Step, number: int) -> str:
    return f"[{number}/{len(recipe.steps)}] {step.name}: {step.command}"


def _perform_python_docs(values: Mapping[str, object], where: str) -> None:
    from rankgen.generator.commands.python_docs import perform_python_docs

    perform_python_docs(values, where)


COMMANDS: dict[str, Callable[[Mapping[str, object], str], None]] = {
    "python-docs": _perform_python_docs,
    "retrieve": perform_retrieve,
    "label": perform_label,
    "train-student": perform_train_student,
    "negatives": perform_negatives,
    "rerank": perform_rerank,
    "evaluate": perform_evaluate,
}
