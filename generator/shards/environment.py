"""Temporary environment variables."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping


def set_variables(values: Mapping[str, str | None]) -> None:
    """Sets variables of this process; None removes one."""
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


@contextlib.contextmanager
def environment(values: Mapping[str, str | None]) -> Iterator[None]:
    """Sets variables while the block runs, and restores them afterwards."""
    before = {name: os.environ.get(name) for name in values}
    set_variables(values)
    try:
        yield
    finally:
        set_variables(before)
