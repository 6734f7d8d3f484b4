"""Warnings: what a user should know although the command goes on."""

from __future__ import annotations

import functools
import sys


@functools.cache
def warn(sentence: str) -> None:
    """Prints a warning on standard error, once per process; standard output is for results."""
    print(f"warning: {sentence}", file=sys.stderr, flush=True)
