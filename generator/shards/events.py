"""The event log of a run: JSON lines under `.rankgen/events`; see `event_logs`.

The log is for people. Errors in writing it (a full disk, or anything that a store raises) are
ignored: they do not matter, or the run's data meets them too.
"""

from __future__ import annotations

import contextlib
import json
import time

from rankgen.manifests.run.driver_names import driver_name
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.storage.object_store import is_remote
from rankgen.manifests.storage.segments import Segments

# A week of them is about 20,000 objects, which a reader lists with twenty requests. A driver that
# writes nothing for two minutes counts as dead (see `drivers`).
SEGMENT_SECONDS = 30.0


class EventLog:
    """The events of this process."""

    def __init__(self, run: RunDirectory) -> None:
        self._path = run.events / f"{driver_name()}.jsonl"
        self._segments: Segments | None = None
        if is_remote(run.root):
            # An earlier process may have had the same name, on this host or in its container.
            began = f"{round(1000 * time.time()):014d}"
            folder = run.events / driver_name()
            self._segments = Segments(
                lambda number: folder / f"{began}-{number:06d}.jsonl", SEGMENT_SECONDS
            )

    def write(self, event: str, **values: str | int | float | None) -> None:
        """Appends one event with its time (seconds since 1970); in a store, some seconds late."""
        line = json.dumps({"time": round(time.time(), 3), "event": event, **values})
        with contextlib.suppress(Exception):
            if self._segments is not None:
                self._segments.append(f"{line}\n".encode())
                return
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as file:
                file.write(f"{line}\n")

    def flush(self) -> None:
        """Makes all events visible to others."""
        if self._segments is not None:
            with contextlib.suppress(Exception):
                self._segments.flush()

    def close(self) -> None:
        """Makes all events visible; no event may follow."""
        if self._segments is not None:
            with contextlib.suppress(Exception):
                self._segments.close()
