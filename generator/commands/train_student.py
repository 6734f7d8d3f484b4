"""`rankgen train-student`: rankings in, a Hugging Face cross-encoder out."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rankgen.generator.commands.options import RUN_METAVAR, AsJson, RayAddress
from rankgen.generator.commands.reporting import reported, say
from rankgen.students.choices import DEFAULT_BACKBONE

if TYPE_CHECKING:
    from rankgen.students.training.settings import TrainSettings
    from rankgen.students.training.summary import TrainSummary


@reported
def train_student(
    context: typer.Context,
    rankings: Annotated[str, typer.Option(help="The folder of a label run.", metavar=RUN_METAVAR)],
    out: Annotated[Path, typer.Option(help="Folder of the student; repeat to resume.")],
    backbone: Annotated[
        str, typer.Option(help="Hugging Face id, folder, or minilm (ships with a package).")
    ] = DEFAULT_BACKBONE,
    loss: Annotated[
        str,
        typer.Option(
            help="ranknet, adr-mse, lce, softmax-ce, listnet, listmle, p-listmle, lambda, "
            "margin-mse, kl, or several with weights: ranknet:1,lce:0.5."
        ),
    ] = "ranknet",
    evidence: Annotated[
        str,
        typer.Option(help="Pairs that count: seen in one window, implied by those, or all."),
    ] = "all",
    preset: Annotated[
        str | None,
        typer.Option(
            help="Settings of a published recipe: paper-labels, paper-single, paper-two-stage or "
            "authors-config; options given beside it take their places."
        ),
    ] = None,
    depth: Annotated[
        int | None, typer.Option(help="The teacher's best passages of a list.", show_default="all")
    ] = None,
    sample_size: Annotated[
        int | None, typer.Option(help="Passages drawn from a list.", show_default="all")
    ] = None,
    validation: Annotated[
        str | None,
        typer.Option(help="A retrieve run to re-rank while training.", metavar=RUN_METAVAR),
    ] = None,
    validation_qrels: Annotated[
        Path | None, typer.Option(help="Its judgements: a file, or irds:ID.")
    ] = None,
    learning_rate: Annotated[float, typer.Option(help="Of AdamW.")] = 1e-5,
    queries_per_step: Annotated[int, typer.Option(help="Lists in one optimizer step.")] = 32,
    epochs: Annotated[float, typer.Option(help="Passes over the lists.")] = 3.0,
    max_steps: Annotated[
        int | None, typer.Option(help="Optimizer steps, instead of epochs.")
    ] = None,
    max_minutes: Annotated[
        float | None,
        typer.Option(help="End earlier when so many minutes are spent, validations included."),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    precision: Annotated[
        str, typer.Option(help="auto (whichever is fast here), fp32 or bf16.")
    ] = "auto",
    compile: Annotated[
        bool, typer.Option("--compile", help="Compile the model's layers first (a minute or two).")
    ] = False,
    seed: Annotated[int, typer.Option(help="Of the head, the order and the dropout.")] = 42,
    workers: Annotated[
        int,
        typer.Option(help="Processes that share every step, each on a GPU where there are some."),
    ] = 1,
    ray_address: RayAddress = None,
    push: Annotated[
        str | None,
        typer.Option(help="A repository of the Hugging Face Hub, USER/NAME, for the student."),
    ] = None,
    sets: Annotated[
        list[str] | None,
        typer.Option("--set", help="Any other setting, NAME=VALUE (see TrainSettings)."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Train a small re-ranker on a teacher's rankings."""
    options = dict(locals())
    for name in ("context", "as_json", "sets", "push"):
        options.pop(name)
    if preset is not None:
        # What the user did not type must not take the place of what the preset says.
        options = {name: value for name, value in options.items() if _was_typed(context, name)}
    more = parse_assignments(sets or [])
    perform_train_student({**options, **more}, "train-student", as_json=as_json)
    if push is not None:
        from rankgen.students.training.push import push_student

        print(f"pushed: {push_student(out, push)}", file=sys.stderr)


def _was_typed(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def perform_train_student(
    values: Mapping[str, object], where: str, *, as_json: bool = False
) -> None:
    """Runs the command with its options as values; see `train_settings`."""
    summary = _trained(values, where)
    was = "was trained before" if summary.was_finished else f"trained in {summary.seconds:,.0f} s"
    figures = [f"loss {summary.loss:.4f}", f"best step {summary.best_step} of {summary.steps}"]
    figures.append(f"ended by {summary.ended_by}")
    if summary.validation is not None:
        figures.append(f"validation nDCG@10 {summary.validation:.4f}")
    if summary.first_stage is not None:
        figures.append(f"its first stage {summary.first_stage:.4f}")
    text = f"student {was} on {summary.lists:,} lists: {', '.join(figures)} -> {summary.out}"
    say(text, summary.model_dump(mode="json"), as_json=as_json)


def _trained(values: Mapping[str, object], where: str) -> TrainSummary:
    from rankgen.generator.commands.team_options import split_team_options
    from rankgen.generator.doctor.before_work import refuse_idle_gpus

    team, rest = split_team_options(values, where)
    settings = train_settings(rest, where)
    if settings.device == "auto" and team.ray_address is None:
        refuse_idle_gpus('use --device cpu (in a recipe: device = "cpu")')
    if team.workers == 1:
        from rankgen.students.training.train import train_student as run

        return run(settings)
    from rankgen.generator.commands.train_in_team import train_in_team

    return train_in_team(settings, team.workers, team.ray_address)


def train_settings(values: Mapping[str, object], where: str) -> TrainSettings:
    """Returns the settings that the options stand for; `preset` names what the others change.

    Raises:
        UsageError: An option or the preset is unknown, or a value is wrong or missing.
    """
    from rankgen.manifests.validation import validated
    from rankgen.students.training.presets import with_preset
    from rankgen.students.training.settings import TrainSettings

    given = dict(values)
    preset = given.pop("preset", None)
    if preset is not None:
        given = with_preset(str(preset), given)
    return validated(TrainSettings, given, where)


def parse_assignments(assignments: Sequence[str]) -> dict[str, object]:
    """Returns name -> value of `NAME=VALUE` texts; a value is TOML or a bare word.

    Raises:
        UsageError: One of them has no `=`.
    """
    from rankgen.manifests.errors import UsageError

    values: dict[str, object] = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals:
            raise UsageError(f"'{assignment}' is not NAME=VALUE", "for example --set dropout=0.0")
        try:
            values[name] = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            values[name] = text
    return values
