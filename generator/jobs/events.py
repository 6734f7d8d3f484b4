"""What happens to a run, as JSON lines under `.rankgen/events`, one file per driver process."""

from __future__ import annotations

import contextlib
import json
import time

from rankgen.generator.jobs.drivers import driver_name
from rankgen.manifests.atomic import append_line
from rankgen.manifests.run_directory import RunDirectory


class EventLog:
    """Appends events of this process.

    Args:
        run: The run's folder.
    """

    def __init__(self, run: RunDirectory) -> None:
        self._path = run.events / f"{driver_name()}.jsonl"

    def write(self, event: str, **values: str | int | float | None) -> None:
        """Appends one event with the time, in seconds since 1970."""
        line = json.dumps({"time": round(time.time(), 3), "event": event, **values})
        # The log is for people. Whatever keeps it from being written (a full disk, a store that
        # raises errors of its own kinds) is met by the run's data too, or does not matter.
        with contextlib.suppress(Exception):
            append_line(self._path, line)
