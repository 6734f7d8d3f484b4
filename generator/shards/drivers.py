"""Finds the other drivers that work on a run, from their event logs."""

from __future__ import annotations

import time

from rankgen.manifests.run.driver_names import driver_name, runs_here
from rankgen.manifests.run.event_logs import DriverLog, driver_log, driver_logs
from rankgen.manifests.run.run_directory import RunDirectory

# A living driver writes an event every half minute.
SILENT_SECONDS = 120.0
# A process that is silent for so long has been stopped, or hangs.
HANGING_SECONDS = 600.0
STARTED, LEFT = "driver", "left"


def other_driver(run: RunDirectory) -> str | None:
    """Returns the name (host and process) of another driver that works on the run, or None.

    A driver that was killed has written no last event. It is recognised by its process on this
    machine, and elsewhere by its silence.
    """
    own = driver_name()
    for log in driver_logs(run):
        if log.driver != own and _is_at_work(log):
            return log.driver
    return None


def is_at_work(run: RunDirectory, driver: str) -> bool:
    """Says whether the named driver has started on the run and is neither gone nor hanging."""
    log = driver_log(run, driver) if driver else None
    if log is None or time.time() - log.changed > HANGING_SECONDS:
        return False
    return _is_at_work(log)


def _is_at_work(log: DriverLog) -> bool:
    return _is_alive(log) and not _has_left(log)


def _is_alive(log: DriverLog) -> bool:
    here = runs_here(log.driver)
    return time.time() - log.changed < SILENT_SECONDS if here is None else here


def _has_left(log: DriverLog) -> bool:
    try:
        last = log.last()
    except OSError:
        return False
    return last is not None and last.get("event") == LEFT
