"""In which number format a student's matrix products are computed."""

from __future__ import annotations

from typing import get_args

from rankgen.manifests.errors import UsageError
from rankgen.manifests.models.half_precision import is_fast, slowness
from rankgen.manifests.notices import warn
from rankgen.students.choices import Precision, ResolvedPrecision


def resolve_precision(asked: Precision, device_type: str) -> ResolvedPrecision:
    """Returns what `auto` comes to on this machine; a choice is kept, and a slow one warned of.

    Args:
        asked: `auto` is bf16 where that is fast, else fp32.
        device_type: "cpu" or "cuda".
    """
    precision, warning = precision_and_warning(asked, device_type)
    if warning is not None:
        warn(warning)
    return precision


def precision_and_warning(
    asked: Precision, device_type: str
) -> tuple[ResolvedPrecision, str | None]:
    """Returns the precision, and a sentence where the choice is slow on this machine."""
    if asked == "auto":
        return "bf16" if is_fast("bfloat16", device_type) else "fp32", None
    if asked == "fp32":
        return asked, None
    slow = slowness("bfloat16", device_type)
    if slow is None:
        return asked, None
    return asked, f"bf16 is slow here: {slow}; --precision auto or fp32 is faster"


def as_precision(word: str) -> Precision:
    """Returns the word as what it is.

    Raises:
        UsageError: It is no precision.
    """
    known: tuple[Precision, ...] = get_args(Precision)
    for precision in known:
        if precision == word:
            return precision
    raise UsageError(f"there is no precision '{word}'", "auto, fp32 or bf16")
