"""The `rankgen` command; `commands.registry` lists what it can do."""

from __future__ import annotations

import os
import sys
from typing import Any

import typer
import typer.main
from typer.core import TyperCommand, TyperGroup

from rankgen.generator.commands.registry import COMMANDS, function_of
from rankgen.generator.commands.streams import standard_streams
from rankgen.generator.debugging import DEBUG_VARIABLE

CONTEXT = {"help_option_names": ["-h", "--help"]}


class Commands(TyperGroup):
    """The commands of the registry: each is imported when it is typed, not when it is listed."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        for name, entry in COMMANDS.items():
            self.commands[name] = TyperCommand(name, help=entry.about)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Returns the command that was typed, with its options."""
        name, found, rest = super().resolve_command(ctx, args)
        return name, found if name is None else loaded_command(name), rest


def loaded_command(name: str) -> TyperCommand:
    """Imports a command and returns it with all its options."""
    from rankgen.generator.commands.from_models import command

    alone = typer.Typer(
        add_completion=False, pretty_exceptions_enable=False, context_settings=CONTEXT
    )
    alone.command(name, help=COMMANDS[name].about)(command(name, function_of(name)))
    made = typer.main.get_command(alone)
    assert isinstance(made, TyperCommand)
    return made


app = typer.Typer(
    name="rankgen",
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings=CONTEXT,
)


def _say_version(is_asked: bool) -> None:
    if is_asked:
        from importlib.metadata import version

        from rankgen.generator.doctor.packages import DISTRIBUTION

        typer.echo(f"rankgen {version(DISTRIBUTION)}")
        raise typer.Exit


@app.callback()
def rankgen(
    debug: bool = typer.Option(
        False,
        "--debug",
        help="Show tracebacks and the workers' own output; works after a command too.",
    ),
    version: bool = typer.Option(
        False, "--version", callback=_say_version, is_eager=True, help="Show the version and end."
    ),
) -> None:
    """Turns a large LLM's ranking skill into training data, and the data into small re-rankers.

    Every command resumes when it is repeated. Exit codes: 0 done, 2 usage, 3 environment,
    4 incomplete but resumable, 5 integrity, 130 interrupted.
    """
    if debug:
        os.environ[DEBUG_VARIABLE] = "1"


def main() -> None:
    """Runs the command line; `--debug` may stand anywhere."""
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    if len(arguments) < len(sys.argv) - 1:
        os.environ[DEBUG_VARIABLE] = "1"
    with standard_streams():
        app(arguments)
