"""Reads the event logs that drivers of a run write, JSON lines under `.rankgen/events`.

On a disk a driver appends to `<driver>.jsonl`. A store cannot append, so there its log is a series
of objects `<driver>/<number>.jsonl`, each written once; earlier versions wrote a single object,
which is read too.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.storage.atomic import read_files
from rankgen.manifests.storage.object_store import is_remote, listed_objects

Event = dict[str, JsonValue]


@dataclass(frozen=True)
class DriverLog:
    """The log of one driver process.

    Attributes:
        driver: See `driver_name`.
        parts: The files of the log in order, at least one.
        changed: When the driver last wrote an event, in seconds since 1970.
    """

    driver: str
    parts: tuple[Path, ...]
    changed: float

    def events(self) -> Iterator[Event]:
        """Yields every event in order, without incomplete lines."""
        for content in read_files(self.parts):
            yield from _events(content)

    def last(self) -> Event | None:
        """Returns the last event, reading only the last file of the log."""
        whole = deque(_events(read_files(self.parts[-1:])[0]), maxlen=1)
        return whole[0] if whole else None


def driver_logs(run: RunDirectory) -> list[DriverLog]:
    """Returns the log of every driver that has worked on the run, by name."""
    parts: dict[str, dict[Path, float]] = {}
    for name, changed in sorted(_files(run.events).items()):
        driver, folder, _ = name.rpartition("/")
        key = driver if folder else name.removesuffix(".jsonl")
        parts.setdefault(key, {})[run.events / name] = changed
    return [_log(driver, parts[driver]) for driver in sorted(parts)]


def driver_log(run: RunDirectory, driver: str) -> DriverLog | None:
    """Returns the log of one driver, or None if it has none."""
    whole = run.events / f"{driver}.jsonl"
    if not is_remote(whole):
        return _log(driver, {whole: whole.stat().st_mtime}) if whole.exists() else None
    files = _files(run.events / driver)
    parts = {run.events / driver / name: changed for name, changed in sorted(files.items())}
    return _log(driver, parts) if parts else None


def _log(driver: str, parts: dict[Path, float]) -> DriverLog:
    return DriverLog(driver, tuple(parts), max(parts.values()))


def _files(folder: Path) -> dict[str, float]:
    """Returns, for every part of a log, its path below the folder -> when it changed."""
    if is_remote(folder):
        found = listed_objects(folder).items()
        return {name: listed.changed for name, listed in found if name.endswith(".jsonl")}
    paths = [path for pattern in ("*.jsonl", "*/*.jsonl") for path in folder.glob(pattern)]
    return {path.relative_to(folder).as_posix(): path.stat().st_mtime for path in paths}


def _events(content: bytes) -> Iterator[Event]:
    for line in content.splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict):
            yield event
