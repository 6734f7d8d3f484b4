"""The progress of a run, read from its commits."""

from __future__ import annotations

import time
from dataclasses import dataclass

from rankgen.manifests.run.commit_record import CommitRecord
from rankgen.manifests.run.driver_report import SeenDriver, read_reports
from rankgen.manifests.run.event_logs import driver_logs
from rankgen.manifests.run.ledger import Ledger
from rankgen.manifests.run.plan import Kind, read_plan
from rankgen.manifests.run.provenance import all_quarantined, is_told, total_counts
from rankgen.manifests.run.query_table import shard_size
from rankgen.manifests.run.run_directory import RunDirectory

RATE_SECONDS = 3600.0


@dataclass(frozen=True)
class RunStatus:
    """The state of a run.

    Attributes:
        queries: Planned queries; `published` counts those in committed shards.
        shards: Planned shards; `committed` counts those with a record.
        quarantined: query_id -> reason.
        counts: Totals over the committed shards.
        queries_per_second: Rate over the commits of the run's last hour; None before two commits.
        seconds_left: Estimate from that rate; None without a rate.
        seconds_silent: Seconds since a driver last wrote an event, which a working one does every
            half minute; None before the first.
        finished: Whether the manifest is written and covers the latest commits.
        drivers: The drivers that work on the run, or else the one that worked last.
    """

    kind: Kind
    fingerprint: str
    queries: int
    published: int
    shards: int
    committed: int
    quarantined: dict[str, str]
    counts: dict[str, int]
    queries_per_second: float | None
    seconds_left: float | None
    seconds_silent: float | None
    finished: bool
    drivers: tuple[SeenDriver, ...] = ()


def run_status(run: RunDirectory) -> RunStatus:
    """Reads the status without changing anything; the run may be at work meanwhile.

    Raises:
        UsageError: The folder is not a run.
        IntegrityProblem: The plan or a commit record is damaged.
    """
    plan = read_plan(run)
    records = Ledger(run, plan.fingerprint, plan.shards, plan.tables).records()
    sizes = {shard: shard_size(plan.queries, shard, plan.shards) for shard in records}
    quarantined = all_quarantined(records)
    published = sum(sizes.values()) - len(quarantined)
    rate = _rate(records, sizes)
    left = plan.queries - published - len(quarantined)
    changed = [log.changed for log in driver_logs(run)]
    seen = read_reports(run)
    return RunStatus(
        kind=plan.kind,
        fingerprint=plan.fingerprint,
        queries=plan.queries,
        published=published,
        shards=plan.shards,
        committed=len(records),
        quarantined=quarantined,
        counts=total_counts(records),
        queries_per_second=rate,
        seconds_left=left / rate if rate else None,
        seconds_silent=max(0.0, time.time() - max(changed)) if changed else None,
        finished=is_told(run, records),
        drivers=tuple(driver for driver in seen if driver.is_alive) or tuple(seen[:1]),
    )


def _rate(records: dict[int, CommitRecord], sizes: dict[int, int]) -> float | None:
    spans = []
    for shard, record in records.items():
        began, seconds = record.facts.get("began"), record.facts.get("seconds")
        if isinstance(began, int | float) and isinstance(seconds, int | float):
            spans.append((float(began), float(began) + float(seconds), sizes[shard]))
    if len(spans) < 2:
        return None
    latest = max(end for _, end, _ in spans)
    recent = [span for span in spans if span[1] > latest - RATE_SECONDS]
    seconds = min(latest, time.time()) - min(began for began, _, _ in recent)
    return sum(queries for _, _, queries in recent) / seconds if seconds > 0 else None
