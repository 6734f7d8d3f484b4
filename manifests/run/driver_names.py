"""The names of driver processes, host and process id, and whether one of them still runs here."""

from __future__ import annotations

import os
import socket
from pathlib import Path


def driver_name() -> str:
    """Returns the name of this process, which its event log and its reports bear."""
    return f"{socket.gethostname()}-{os.getpid()}"


def runs_here(driver: str) -> bool | None:
    """Says whether a driver of this machine still runs; None of a driver of another machine.

    A process that was killed and that nobody has waited for does not run, though its id is taken.
    """
    host, _, process = driver.rpartition("-")
    if host != socket.gethostname() or not process.isdecimal():
        return None
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # It is there, and another user's.
        return True
    return _state(int(process)) not in ("Z", "X")


def _state(process: int) -> str | None:
    """Returns the letter for a process's state; None where the system does not tell."""
    try:
        _, _, after_name = Path(f"/proc/{process}/stat").read_text().rpartition(")")
    except OSError:
        return None
    return after_name.split()[0]
