"""A run's status as text, as values for programs, and as a table of its workers."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING

from rankgen.manifests.counted import counted

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from rankgen.manifests.run.driver_report import SeenDriver, Trouble, WorkerReport
    from rankgen.manifests.run.status import RunStatus

# A living driver writes an event every half minute.
ALIVE_SECONDS = 90.0
# A worker that has done nothing for so long is shown in front.
SILENT_SECONDS = 60.0
_LEAST_ROWS = 5


def status_values(found: RunStatus) -> dict[str, object]:
    """Returns the status as values that JSON can hold."""
    values = asdict(found)
    values["state"] = _state(found)
    values["drivers"] = [
        {
            **asdict(seen.report),
            "state": _state_of(seen),
            "per_second": round(seen.report.per_second, 3),
            "silent_seconds": round(seen.silent_seconds, 1),
        }
        for seen in found.drivers
    ]
    values["workers"] = [
        {"driver": driver["driver"], **worker}
        for driver in values["drivers"]
        for worker in driver.pop("workers")
    ]
    return values


def status_text(run: str, found: RunStatus) -> str:
    """Returns the status without its workers, for people."""
    lines = [
        f"{found.kind} {run}: {_state(found)}",
        f"shards   {found.committed:,} of {found.shards:,}",
        f"queries  {found.published:,} of {found.queries:,}, {len(found.quarantined)} quarantined",
    ]
    if found.seconds_silent is not None and not found.finished and not found.drivers:
        lines.append(f"heard    {counted(round(found.seconds_silent), 'second')} ago")
    if found.queries_per_second and not found.finished and found.seconds_left is not None:
        rate, left = found.queries_per_second, found.seconds_left
        lines.append(f"rate     {rate:.2f} queries/s, about {_duration(left)} left")
    if not found.finished:
        lines += [line for seen in found.drivers for line in _driver_lines(seen)]
    lines += [f"{name:<32}{value:>14,}" for name, value in found.counts.items()]
    lines += [f"quarantined {query}: {why}" for query, why in sorted(found.quarantined.items())]
    return "\n".join(lines)


def live_view(run: str, found: RunStatus, height: int) -> RenderableType:
    """Returns the status with its workers, for a terminal.

    Args:
        run: The run's folder.
        found: Its status.
        height: The terminal's lines; of more workers than fit, those in trouble are shown.
    """
    from rich.console import Group
    from rich.text import Text

    text = status_text(run, found)
    used = len(text.splitlines()) + 4 * len(found.drivers) + 1
    rows = max(_LEAST_ROWS, height - used) // max(1, len(found.drivers))
    return Group(Text(text), *(_workers(seen, rows) for seen in found.drivers if seen.is_alive))


def _state(found: RunStatus) -> str:
    is_heard = found.seconds_silent is not None and found.seconds_silent < ALIVE_SECONDS
    if found.finished:
        return "finished"
    if any(seen.is_alive for seen in found.drivers) or (is_heard and not found.drivers):
        return "running"
    return "unfinished; repeat its command to resume"


def _state_of(seen: SeenDriver) -> str:
    return seen.report.state if seen.is_alive or seen.report.state == "left" else "died"


def _driver_lines(seen: SeenDriver) -> list[str]:
    report, state = seen.report, _state_of(seen)
    ago = f"{_duration(seen.silent_seconds)} ago"
    if state == "died":
        text = f"died, or cannot reach the run's folder; last heard of {ago}"
    elif state == "left":
        text = f"left {ago}"
    else:
        at_work = sum(worker.state == "working" for worker in report.workers)
        text = (
            f"{state}, {at_work} of {len(report.workers)} workers at work, "
            f"{report.per_second:,.1f} {report.unit}/s, heard {ago}"
        )
    troubles = [_trouble_line(trouble) for trouble in report.troubles]
    return [f"driver   {report.driver}: {text}", *troubles]


def _trouble_line(trouble: Trouble) -> str:
    place = f" on {trouble.node}" if trouble.node else ""
    shard = "" if trouble.shard is None else f", shard {trouble.shard}"
    ago = _duration(max(0.0, time.time() - trouble.time))
    return f"         {ago} ago: {trouble.event}{place}{shard}: {trouble.reason}"


def _workers(seen: SeenDriver, rows: int) -> Table:
    from rich.table import Table
    from rich.text import Text

    report = seen.report
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("worker", "node", "state", "shards", f"{report.unit}/s", "silent", "engine"):
        table.add_column(name, no_wrap=True)
    table.add_column("last error", overflow="ellipsis", no_wrap=True, ratio=1)
    workers = sorted(report.workers, key=_urgency)
    for worker in workers[:rows]:
        table.add_row(*(Text(cell) for cell in _cells(worker)))
    left = len(workers) - rows
    if left > 0:
        table.add_row(f"and {left:,} more")
    return table


def _urgency(worker: WorkerReport) -> tuple[bool, bool, bool, str]:
    """Sorts the workers that somebody may have to look after in front."""
    is_silent = (worker.silent_seconds or 0.0) > SILENT_SECONDS
    return not is_silent, worker.state != "waiting", worker.last_error is None, worker.worker or ""


def _cells(worker: WorkerReport) -> list[str]:
    error = ""
    if worker.last_error is not None and worker.last_error_at is not None:
        ago = _duration(max(0.0, time.time() - worker.last_error_at))
        error = f"{ago} ago: {worker.last_error}"
    silent = worker.silent_seconds
    return [
        worker.worker or "?",
        worker.node or "none yet",
        worker.state,
        _shards(worker.shards),
        "" if worker.per_second is None else f"{worker.per_second:,.2f}",
        "" if silent is None else _duration(silent),
        _engine(worker),
        error,
    ]


def _shards(shards: tuple[int, ...], shown: int = 4) -> str:
    more = f" +{len(shards) - shown}" if len(shards) > shown else ""
    return " ".join(map(str, shards[:shown])) + more


def _engine(worker: WorkerReport) -> str:
    """Returns what an engine does, such as "24 running, 3 waiting, cache 41%"."""
    gauges = worker.gauges
    parts = [
        f"{gauges[name]:,.0f} {word}"
        for name, word in (
            ("engine_requests_running", "running"),
            ("engine_requests_waiting", "waiting"),
            ("server_requests_in_flight", "in flight"),
            ("rate_limit_pauses_total", "pauses"),
        )
        if name in gauges
    ]
    if "engine_kv_cache_usage" in gauges:
        parts.append(f"cache {gauges['engine_kv_cache_usage']:.0%}")
    return ", ".join(parts)


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
