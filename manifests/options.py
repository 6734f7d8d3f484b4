"""Settings that are written once: command line, recipes and documentation are made from them."""

from __future__ import annotations

import inspect
import types
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import (
    Annotated,
    ClassVar,
    Literal,
    NamedTuple,
    TypeVar,
    Union,
    get_args,
    get_origin,
)

from pydantic import BaseModel, ConfigDict
from pydantic.fields import FieldInfo

Part = TypeVar("Part", bound="Settings")
RUN_METAVAR = "FOLDER|s3://…"
SOURCE_METAVAR = "FOLDER|s3://…|hf:USER/NAME"


class Settings(BaseModel):
    """Frozen settings; a name that is not one of them is an error.

    Attributes:
        panel: The heading of `--help` for the settings of this class; None for the first one.
    """

    panel: ClassVar[str | None] = None
    model_config = ConfigDict(frozen=True, extra="forbid")

    def part(self, model: type[Part], **more: object) -> Part:
        """Returns the values that `model` has a field for, and `more`, as that model.

        Raises:
            pydantic.ValidationError: A value is wrong for that model.
        """
        names = model.model_fields.keys() & type(self).model_fields.keys() - more.keys()
        return model.model_validate({name: getattr(self, name) for name in names} | more)


@dataclass(frozen=True)
class Option:
    """What a setting's type, range and default do not say of it; stands in its `Annotated`.

    Attributes:
        help: What it does, as a noun phrase or an imperative.
        shown: What the default comes to, where its value does not say it.
        metavar: What stands for its value in `--help`.
        flags: Its names on the command line, where they are not just its own.
        is_argument: Whether it has no name on the command line, only a place.
    """

    help: str
    shown: str | None = None
    metavar: str | None = None
    flags: tuple[str, ...] = ()
    is_argument: bool = False


class Told(NamedTuple):
    """A setting that a user can give: its name, its field, its option and its heading in help."""

    name: str
    field: FieldInfo
    option: Option
    panel: str | None


def options_of(model: type[Settings]) -> list[Told]:
    """Returns every setting that a user can give.

    Those that have to be given come first, then a model's own, then those of its bases.
    """
    found: dict[str, Told] = {}
    for one in model.__mro__:
        for name in inspect.get_annotations(one) if issubclass(one, Settings) else ():
            field = model.model_fields.get(name)
            for option in field.metadata if field else ():
                if field and isinstance(option, Option):
                    found.setdefault(name, Told(name, field, option, one.__dict__.get("panel")))
    return sorted(found.values(), key=lambda told: not told.field.is_required())


def plain_type(annotation: object) -> object:
    """Returns a setting's type without None and without what is annotated to it."""
    if get_origin(annotation) is Annotated:
        return plain_type(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        return plain_type(next(kind for kind in get_args(annotation) if kind is not type(None)))
    return annotation


def accepted(field: FieldInfo) -> tuple[str, ...]:
    """Returns the words that a setting accepts; none where it takes more than some words."""
    kind = plain_type(field.annotation)
    return get_args(kind) if get_origin(kind) is Literal else ()


def range_of(field: FieldInfo) -> str:
    """Returns which numbers a setting accepts, such as "at least 1", or nothing."""
    limits = {
        name: getattr(limit, name)
        for limit in _metadata((field, field.annotation))
        for name in ("ge", "gt", "le", "lt")
        if getattr(limit, name, None) is not None
    }
    if plain_type(field.annotation) is int and "gt" in limits:
        limits["ge"] = limits.pop("gt") + 1
    words = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
    return ", ".join(f"{word} {limits[name]}" for name, word in words.items() if name in limits)


def _metadata(parts: Iterable[object]) -> Iterator[object]:
    """Yields what is annotated to a setting, also inside of `X | None`."""
    for part in parts:
        if isinstance(part, FieldInfo):
            yield from part.metadata
        elif get_origin(part) is Annotated:
            yield from get_args(part)[1:]
            yield from _metadata(get_args(part)[1:])
        elif get_origin(part) in (Union, types.UnionType):
            yield from _metadata(get_args(part))
