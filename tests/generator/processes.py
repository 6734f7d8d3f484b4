"""Processes of this machine: whether they live, their death, and what they have started."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

PATIENCE_S = 240.0


def alive(process: int) -> bool:
    """Says whether a process runs; one that only waits to be buried does not."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Looks every few milliseconds.

    Raises:
        TimeoutError: It did not come.
    """
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        time.sleep(0.005)


def kill(process: int) -> None:
    """Sends SIGKILL and waits for the death."""
    os.kill(process, signal.SIGKILL)
    wait_until(lambda: not alive(process), f"process {process} does not die")


def descendants(process: int) -> list[int]:
    """Returns the processes that a process started, and those that they started."""
    children = [
        int(entry.name)
        for entry in Path("/proc").iterdir()
        if entry.name.isdecimal() and _parent(entry) == process
    ]
    return [*children, *(grandchild for child in children for grandchild in descendants(child))]


def _parent(entry: Path) -> int | None:
    try:
        return int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return None
