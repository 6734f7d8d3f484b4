"""The number format in which a student's matrix products are computed."""

from __future__ import annotations

from typing import get_args

from rankgen.manifests.errors import UsageError
from rankgen.manifests.models.half_precision import is_fast, slowness
from rankgen.manifests.notices import warn
from rankgen.students.choices import Precision, ResolvedPrecision


def resolve_precision(asked: Precision, device_type: str) -> ResolvedPrecision:
    """Returns what `auto` means on this machine; keeps any other choice and warns of a slow one.

    Args:
        asked: `auto` means bf16 where that is fast, else fp32.
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


def precision_of_worker(device: str, asked: str) -> tuple[str, str | None]:
    """Returns what a precision means in this process, and a sentence where it is slow here.

    Args:
        device: `auto`, `cpu`, `cuda` or `cuda:N`.
        asked: `fp32`, `bf16` or `auto`.

    Raises:
        UsageError: One of them is unknown.
        EnvironmentProblem: A GPU is asked for and there is none.
    """
    # torch loads here, so that a driver needs none.
    from rankgen.students.model.device import choose_device

    return precision_and_warning(as_precision(asked), choose_device(device).type)


def as_precision(word: str) -> Precision:
    """Returns a word that is known to be a precision, typed as one.

    Raises:
        UsageError: It is not a precision.
    """
    known: tuple[Precision, ...] = get_args(Precision)
    for precision in known:
        if precision == word:
            return precision
    raise UsageError(f"'{word}' is not a precision", "use --precision auto, fp32 or bf16")
