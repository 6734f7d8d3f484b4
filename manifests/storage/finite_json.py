"""JSON that every reader takes: Python's own writes NaN and Infinity, which JSON does not have."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping


def json_text(value: object, *, ensure_ascii: bool = False, indent: int | None = None) -> str:
    """Returns a value as JSON; a number that is not finite becomes null.

    Args:
        value: JSON values, in mappings, lists and tuples.
        ensure_ascii: Whether to write other characters as escapes.
        indent: Spaces of a level; None for one line.
    """
    return json.dumps(_finite(value), ensure_ascii=ensure_ascii, indent=indent, allow_nan=False)


def _finite(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(held) for key, held in value.items()}
    return [_finite(held) for held in value] if isinstance(value, list | tuple) else value
