"""Which other drivers work on a run just now, told by their event logs."""

from __future__ import annotations

import json
import os
import socket
import time
from pathlib import Path

from rankgen.manifests.run_directory import RunDirectory

# A living driver writes an event every half minute.
SILENT_SECONDS = 120.0
STARTED, LEFT = "driver", "left"


def other_driver(run: RunDirectory) -> str | None:
    """Returns the name (host and process) of another driver that works on the run, if there is one.

    A driver that was killed wrote no last event: on this machine its process tells, elsewhere its
    silence.
    """
    own = driver_name()
    for path in run.events.glob("*.jsonl"):
        if path.stem != own and is_at_work(run, path.stem):
            return path.stem
    return None


def is_at_work(run: RunDirectory, driver: str) -> bool:
    """Says whether a driver, by its name, began on the run and is not known to be gone."""
    path = run.events / f"{driver}.jsonl"
    return driver != "" and path.exists() and _last_event(path) != LEFT and _is_alive(path)


def driver_name() -> str:
    """Returns the name of this process, which its event log bears."""
    return f"{socket.gethostname()}-{os.getpid()}"


def _is_alive(path: Path) -> bool:
    host, _, process = path.stem.rpartition("-")
    if host == socket.gethostname() and process.isdecimal():
        return Path("/proc", process).exists() or not Path("/proc/self").exists()
    return time.time() - path.stat().st_mtime < SILENT_SECONDS


def _last_event(path: Path) -> str | None:
    try:
        line = path.read_text(encoding="utf-8").splitlines()[-1]
        event: str = json.loads(line)["event"]
    except (OSError, ValueError, IndexError, KeyError, TypeError):
        return None
    return event
