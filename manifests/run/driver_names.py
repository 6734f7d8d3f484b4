"""Names of driver processes (host and process id), and whether one still runs on this machine."""

from __future__ import annotations

import os
import socket
from pathlib import Path


def driver_name() -> str:
    """Returns this process's name, under which its event log and its reports are stored."""
    return f"{socket.gethostname()}-{os.getpid()}"


def runs_here(driver: str) -> bool | None:
    """Tells whether a driver on this machine still runs; None for a driver on another machine.

    A zombie, killed but not waited for by its parent, does not run although its id is taken.
    """
    host, _, process = driver.rpartition("-")
    if host != socket.gethostname() or not process.isdecimal():
        return None
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # It exists and belongs to another user.
        return True
    return _state(int(process)) not in ("Z", "X")


def _state(process: int) -> str | None:
    """Returns the letter for a process's state; None where the system does not show it."""
    try:
        _, _, after_name = Path(f"/proc/{process}/stat").read_text().rpartition(")")
    except OSError:
        return None
    return after_name.split()[0]
