"""What a driver says of itself and of its workers while a run goes on: `.rankgen/progress`.

Each driver replaces one small file every few seconds. It is for people: nothing depends on it, and
a run without one only shows less.
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
# A request costs money in a store, and time.
DISK_SECONDS, STORE_SECONDS = 3.0, 20.0
# A driver that has missed so many reports, for this long at least, is taken for dead.
MISSED, SHORTEST_SILENCE_SECONDS = 4, 30.0


@dataclass(frozen=True)
class WorkerReport:
    """One worker, as its driver last heard of it.

    Attributes:
        worker: Host and process; None before it has answered.
        node: The address of its node; None while it waits for a place.
        state: "waiting" for a place, "loading" a model, "idle" or "working".
        shards: What it works on.
        done: Windows (or what the run counts) since it started.
        per_second: The same a second, over the last minute; None when it is not known yet.
        silent_seconds: Since when nothing more was done; None when it has nothing to do.
        last_error: What failed last there; the run may have got over it.
        last_error_at: When, in seconds since 1970 by the worker's clock.
        gauges: What its engine says; see `rankgen.generator.engines.gauges`.
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
    """Something that went wrong with a worker, after which another one took its place.

    Attributes:
        time: When, in seconds since 1970.
        event: "worker died", "node lost", "worker could not start" or "task failed".
        reason: Why; None when the driver does not know.
        node: The address of the node, where it is known.
        shard: The shard that was being done, if any.
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
        driver: Host and process.
        kind: The run's kind, such as "label".
        unit: What it counts: "windows", "pairs", "queries" or "lists".
        state: "working", "finishing" (texts and manifest) or "left".
        began: When it began, in seconds since 1970.
        written: When this was written, in seconds since 1970 by the driver's clock.
        every: Seconds between two reports.
        workers: Its workers.
        troubles: What went wrong last, the latest first.
        queries: Planned queries of the run.
        queries_done: Published ones, as far as this driver knows.
        queries_failed: Quarantined ones, as far as this driver knows.
        done: Windows (or what the run counts) that this driver's workers have done.
        counters: Sums over all its workers, also those that have died.
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
        """Windows (or what the run counts) a second, over the last minute."""
        return sum(worker.per_second or 0.0 for worker in self.workers)


@dataclass(frozen=True)
class SeenDriver:
    """A driver as a reader sees it.

    Attributes:
        report: What it wrote last.
        silent_seconds: How long ago.
        is_alive: Whether it still works, as far as one can tell from here.
    """

    report: DriverReport
    silent_seconds: float
    is_alive: bool


_READ = TypeAdapter(DriverReport)


def seconds_between_reports(run: RunDirectory) -> float:
    """Returns how often a driver writes its report of this run."""
    return STORE_SECONDS if is_remote(run.root) else DISK_SECONDS


def write_report(run: RunDirectory, report: DriverReport) -> None:
    """Replaces a driver's report.

    Raises:
        OSError: It cannot be written; a store's client raises errors of its own kinds.
    """
    write_whole(_path(run, report.driver), json.dumps(asdict(report)).encode())


def read_reports(run: RunDirectory) -> list[SeenDriver]:
    """Returns the drivers that wrote a report, those that work first, then the latest first.

    A file that cannot be read, such as one of another version, is passed over.
    """
    seen = [found for path in run.progress.glob("*.json") if (found := _seen(path)) is not None]
    return sorted(seen, key=lambda driver: (not driver.is_alive, driver.silent_seconds))


def remove_old_reports(run: RunDirectory, but: str) -> None:
    """Removes the reports of drivers that work no longer, except that of `but`."""
    for seen in read_reports(run):
        if not seen.is_alive and seen.report.driver != but:
            remove_tree(_path(run, seen.report.driver))


def _path(run: RunDirectory, driver: str) -> Path:
    return run.progress / f"{driver}.json"


def _seen(path: Path) -> SeenDriver | None:
    try:
        changed, content = path.stat().st_mtime, path.read_bytes()
        report = _READ.validate_json(content)
    except (OSError, ValidationError):
        return None
    silent = max(0.0, time.time() - changed)
    return SeenDriver(report, silent, _is_alive(report, silent))


def _is_alive(report: DriverReport, silent_seconds: float) -> bool:
    """Says whether a driver works: its silence tells, and on this machine its process, at once."""
    if report.state == "left" or runs_here(report.driver) is False:
        return False
    return silent_seconds < max(SHORTEST_SILENCE_SECONDS, MISSED * report.every)
