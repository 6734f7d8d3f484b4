"""Values of a row: ids, texts, numbers and lists, checked; errors name the file and the row."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import cast

from rankgen.manifests.errors import UsageError


def first_of(fields: Mapping[str, object], names: Iterable[str]) -> str | None:
    """Returns the first of some names that is a column with a value; None without any."""
    return next((name for name in names if fields.get(name) is not None), None)


def needed(where: str, fields: Mapping[str, object], names: Sequence[str], role: str) -> str:
    """Returns the first of some names that is a column with a value.

    Args:
        where: The file and the row.
        fields: Column -> value.
        names: The names that the form knows for it.
        role: What it holds, such as "query id".

    Raises:
        UsageError: There is none.
    """
    name = first_of(fields, names)
    if name is None:
        held = ", ".join(list(fields)[:12]) or "none"
        raise UsageError(
            f"{where} has no {role}; its columns are {held}",
            f"name a column {' or '.join(names)}, or another form",
        )
    return name


def id_in(where: str, value: object, role: str) -> str:
    """Returns an id as text; a whole number is written in digits, a text is kept as it is.

    Args:
        where: The file and the row.
        value: A text or a whole number.
        role: What it names, such as "query id".

    Raises:
        UsageError: It is empty or something else.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise UsageError(
            f"{where}: the {role} {value!r} is neither a text nor a whole number",
            f"write each {role} as a text",
        )
    if not value:
        raise UsageError(f"{where} has an empty {role}", f"give it a {role}")
    return text_in(where, value, role)


def text_in(where: str, value: object, role: str) -> str:
    """Returns a text; None is an empty one.

    Raises:
        UsageError: It is of another type, or holds half a surrogate pair.
    """
    if value is None:
        return ""
    if not isinstance(value, str):
        raise UsageError(
            f"{where}: the {role} is not a text but of type {type(value).__name__}",
            f"write the {role} as a text",
        )
    if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
        raise UsageError(
            f"{where}: the {role} holds half a surrogate pair, which is not valid text",
            "correct the \\u escapes in that line",
        )
    return value


def number_in(where: str, value: object, role: str) -> float:
    """Returns a finite number.

    Raises:
        UsageError: It is of another type, NaN or infinite.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UsageError(f"{where}: the {role} {value!r} is not a number", f"write a {role}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise UsageError(
            f"{where}: the {role} {value} is not a finite number",
            "remove the row, or write a finite number",
        )
    return number


def list_in(where: str, value: object, name: str) -> list[object]:
    """Returns a list.

    Raises:
        UsageError: It is something else.
    """
    if not isinstance(value, list):
        raise UsageError(
            f"{where}: the column {name} holds no list but a {type(value).__name__}",
            f"write {name} as a list",
        )
    return cast("list[object]", value)
