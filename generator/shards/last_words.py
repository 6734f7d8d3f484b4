"""The last line of a worker's log, for the error about its death."""

from __future__ import annotations

import os
import stat
from pathlib import Path

_TAIL_BYTES = 8192
_LONGEST = 200


def own_log() -> str | None:
    """Returns the file behind this process's stderr; None if it is not a file."""
    if not stat.S_ISREG(os.fstat(2).st_mode):
        return None
    try:
        return os.readlink("/proc/self/fd/2")
    except OSError:
        return None


def last_words(log: str | None) -> str:
    """Returns ": " and the last line of a worker's log; "" if it is empty or on another node."""
    if log is None:
        return ""
    try:
        with Path(log).open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
            text = file.read().decode("utf-8", "replace")
    except OSError:  # The log is on another node.
        return ""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return f": {lines[-1][:_LONGEST]}" if lines else ""
