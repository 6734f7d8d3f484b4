"""Makes a command for Typer of a function that takes settings; they are its options."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import get_args, get_origin, get_type_hints

import typer
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from rich.markup import escape

from rankgen.generator.commands.reporting import reported
from rankgen.manifests.options import (
    Option,
    Settings,
    accepted,
    options_of,
    plain_type,
    range_of,
)
from rankgen.manifests.validation import validated

SIMPLE = (str, int, float, bool)


def settings_of(run: Callable[..., None]) -> dict[str, type[Settings]]:
    """Returns parameter -> model of a command's function."""
    hints = get_type_hints(run)
    return {name: hints[name] for name in inspect.signature(run).parameters}


def command(name: str, run: Callable[..., None]) -> Callable[..., None]:
    """Returns what Typer makes a command of: `run` with an option for each of its settings.

    Only what a user types is taken from the command line: defaults are the models' own.
    """
    models = settings_of(run)

    def invoke(context: typer.Context, **values: object) -> None:
        typed = {option: value for option, value in values.items() if _is_typed(context, option)}
        run(
            **{
                parameter: validated(
                    model, {k: typed[k] for k in model.model_fields if k in typed}, name
                )
                for parameter, model in models.items()
            }
        )

    options = [_parameter(*found) for model in models.values() for found in options_of(model)]
    context = inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
    # Typer reads the options from it; functions have no such attribute for type checkers.
    invoke.__signature__ = inspect.Signature([context, *options])  # type: ignore[attr-defined]
    return reported(invoke)


def flags_of(name: str, option: Option) -> tuple[str, ...]:
    """Returns what a setting is called on the command line."""
    return option.flags or ("--" + name.replace("_", "-"),)


def help_of(field: FieldInfo, option: Option) -> str:
    """Returns the sentence about an option, with the numbers that it accepts if these surprise."""
    numbers = range_of(field)
    if numbers in ("", "at least 0", "at least 1", "above 0"):
        return option.help
    return f"{option.help.removesuffix('.')} ({numbers})."


def metavar_of(field: FieldInfo, option: Option) -> str | None:
    """Returns what stands for a value; None leaves it to the type."""
    if option.metavar is not None or not accepted(field):
        is_path = plain_type(field.annotation) is Path
        return option.metavar or ("PATH" if is_path else None)
    return "|".join(accepted(field))


def _is_typed(context: typer.Context, option: str) -> bool:
    source = context.get_parameter_source(option)
    return source is not None and source.name == "COMMANDLINE"


def _parameter(name: str, field: FieldInfo, option: Option, panel: str | None) -> inspect.Parameter:
    words = list(accepted(field))
    default = ... if field.is_required() else field.default
    if default is PydanticUndefined:
        default = None
    flags = () if option.is_argument else flags_of(name, option)
    made = typer.Argument if option.is_argument else typer.Option
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        annotation=_typer_type(field),
        default=made(
            default,
            *flags,
            help=escape(help_of(field, option)),
            metavar=metavar_of(field, option),
            show_default=option.shown or not (default is None or default is False or default == ()),
            rich_help_panel=panel,
            autocompletion=(lambda: words) if words else None,
        ),
    )


def _typer_type(field: FieldInfo) -> object:
    """Returns the type that Typer reads a value as; the model reads it again."""
    kind = plain_type(field.annotation)
    if get_origin(kind) is tuple:
        members = get_args(kind)
        if members[-1] is Ellipsis:
            member = members[0] if members[0] in SIMPLE else str
            # The member is known only when this runs, so no type checker can read it.
            return list[member]  # type: ignore[valid-type]
        return kind
    return kind if kind in SIMPLE else list[str] if get_origin(kind) is dict else str
