"""Settings from outside: unknown keys and wrong values become one sentence with a remedy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from rankgen.manifests.errors import UsageError, did_you_mean

_LIMITS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
Model = TypeVar("Model", bound=BaseModel)


def validated(model: type[Model], values: Mapping[str, object], where: str) -> Model:
    """Returns `model` filled from `values`.

    Args:
        model: A frozen model that forbids unknown keys.
        values: Key -> value.
        where: What the values belong to, such as "recipe quickstart.toml, step 'label'".

    Raises:
        UsageError: A key is unknown (with the nearest known ones) or a value is wrong.
    """
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        # A misspelt key often leaves the right one missing; the misspelling is what to tell.
        errors = sorted(error.errors(), key=lambda found: found["type"] != "extra_forbidden")
        raise _explained(model, errors[0], where) from None


def _explained(model: type[BaseModel], error: ErrorDetails, where: str) -> UsageError:
    path = [str(part) for part in error["loc"]]
    name = ".".join(path)
    if error["type"] == "extra_forbidden":
        known = _fields_at(model, path[:-1])
        return UsageError(f"{where}: there is no setting '{name}'", did_you_mean(path[-1], known))
    if error["type"] == "missing":
        return UsageError(f"{where}: the setting '{name}' is missing", f"add {name}")
    message = error["msg"].removeprefix("Value error, ")
    if not name:
        return UsageError(f"{where}: {message}")
    value = error["input"]
    shown = repr(value) if isinstance(value, str | int | float | bool | None) else "its value"
    if error["type"] == "literal_error":
        expected = error["ctx"]["expected"]
        choices = [choice.strip("'") for choice in expected.replace(" or ", ", ").split(", ")]
        hint = did_you_mean(str(value), choices)
        return UsageError(f"{where}: {name} is not {expected}: {shown}", hint)
    for limit, words in _LIMITS.items():
        if limit in error.get("ctx", {}):
            least = error["ctx"][limit]
            # A whole number may also be given for a setting that takes others.
            is_whole = limit == "gt" and isinstance(least, int) and isinstance(value, int)
            bound = f"at least {least + 1}" if is_whole else f"{words} {least}"
            return UsageError(f"{where}: {name} must be {bound} (got {shown})", f"change {name}")
    return UsageError(f"{where}: {name} cannot be {shown}: {message}", f"change {name}")


def _fields_at(model: type[BaseModel], path: list[str]) -> list[str]:
    """Returns the field names of the model nested under `path`."""
    for part in path:
        field = model.model_fields.get(part)
        if field is None or not isinstance(field.annotation, type):
            return []
        if not issubclass(field.annotation, BaseModel):
            return []
        model = field.annotation
    return list(model.model_fields)
