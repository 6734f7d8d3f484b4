"""Reports of drivers on themselves and their workers while a run is at work: `.rankgen/progress`.

Each driver replaces one small file every few seconds. The reports are for people: nothing depends
on them, and without them `rankgen status` only shows less.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from rankgen.manifests.run.driver_names import runs_here
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.storage.atomic import remove_tree, write_whole
from rankgen.manifests.storage.object_store import is_remote

DriverState = Literal["working", "finishing", "left"]
WorkerState = Literal["waiting", "loading", "idle", "working"]
# In a store every request costs money and time.
DISK_SECONDS, STORE_SECONDS = 3.0, 20.0
# A driver that misses this many reports, over at least this long, is taken for dead.
MISSED, SHORTEST_SILENCE_SECONDS = 4, 30.0


@dataclass(frozen=True)
class WorkerReport:
    """The state of one worker, as last known to its driver.

    Attributes:
        worker: Host and process id; None before the worker has answered.
        node: The address of its node; None while the worker is "waiting" for a place.
        done: Units (windows, or what the run counts) done since it started.
        per_second: Units per second over the last minute; None while unknown.
        silent_seconds: Seconds since the last unit was done; None when it has nothing to do.
        last_error: The run may have recovered from it.
        last_error_at: When that happened, in seconds since 1970 by the worker's clock.
        gauges: Figures of its engine; see `rankgen.generator.engines.gauges`.
    """

    worker: str | None
    node: str | None
    state: WorkerState
    shards: tuple[int, ...] = ()
    done: int = 0
    per_second: float | None = None
    silent_seconds: float | None = None
    last_error: str | None = None
    last_error_at: float | None = None
    gauges: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Trouble:
    """A failure of a worker, after which another one replaced it.

    Attributes:
        time: In seconds since 1970.
        event: "worker died", "node lost", "worker could not start" or "task failed".
        reason: The cause, where the driver knows it.
        shard: The shard that was being worked on, if any.
    """

    time: float
    event: str
    reason: str | None = None
    node: str | None = None
    shard: int | None = None


@dataclass(frozen=True)
class DriverReport:
    """One driver and its workers.

    Attributes:
        driver: See `driver_name`.
        kind: See `Plan`.
        unit: What the run counts: "windows", "pairs", "queries" or "lists".
        state: While "finishing" it writes texts and manifest.
        began: When the driver began, in seconds since 1970.
        written: When the report was written, in seconds since 1970 by the driver's clock.
        every: Seconds between two reports.
        troubles: The last failures, the latest first.
        queries_done: Published queries, as far as this driver knows.
        queries_failed: Quarantined queries, as far as this driver knows.
        done: Units that this driver's workers have done.
        counters: Sums over all its workers, including those that have died.
    """

    driver: str
    kind: str
    unit: str
    state: DriverState
    began: float
    written: float
    every: float
    workers: tuple[WorkerReport, ...] = ()
    troubles: tuple[Trouble, ...] = ()
    queries: int = 0
    queries_done: int = 0
    queries_failed: int = 0
    done: int = 0
    counters: Mapping[str, float] = field(default_factory=dict)

    @property
    def per_second(self) -> float:
        """Units per second of all workers, over the last minute."""
        return sum(worker.per_second or 0.0 for worker in self.workers)


@dataclass(frozen=True)
class SeenDriver:
    """What a driver reported last, how many seconds ago, and whether it seems to work still."""

    report: DriverReport
    silent_seconds: float
    is_alive: bool


_READ = TypeAdapter(DriverReport)


def seconds_between_reports(run: RunDirectory) -> float:
    """Returns the seconds between two reports of a driver of this run."""
    return STORE_SECONDS if is_remote(run.root) else DISK_SECONDS


def write_report(run: RunDirectory, report: DriverReport) -> None:
    """Replaces a driver's report.

    Raises:
        OSError: The report cannot be written; a store's client raises errors of its own types.
    """
    write_whole(_path(run, report.driver), json.dumps(asdict(report)).encode())


def read_reports(run: RunDirectory) -> list[SeenDriver]:
    """Returns the drivers that wrote a report: those that still work first, then the latest first.

    A file that cannot be read, such as one of another version, is skipped.
    """
    seen = [found for path in run.progress.glob("*.json") if (found := _seen(path)) is not None]
    return sorted(seen, key=lambda driver: (not driver.is_alive, driver.silent_seconds))


def remove_old_reports(run: RunDirectory, but: str) -> None:
    """Removes the reports of drivers that no longer work, except that of `but`."""
    for seen in read_reports(run):
        if not seen.is_alive and seen.report.driver != but:
            remove_tree(_path(run, seen.report.driver))


def _path(run: RunDirectory, driver: str) -> Path:
    return run.progress / f"{driver}.json"


def _seen(path: Path) -> SeenDriver | None:
    try:
        changed = path.stat().st_mtime
        report = _READ.validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
    silent = max(0.0, time.time() - changed)
    return SeenDriver(report, silent, _is_alive(report, silent))


def _is_alive(report: DriverReport, silent_seconds: float) -> bool:
    """Tells whether a driver works: by its silence, and on this machine by its process as well."""
    if report.state == "left" or runs_here(report.driver) is False:
        return False
    return silent_seconds < max(SHORTEST_SILENCE_SECONDS, MISSED * report.every)
