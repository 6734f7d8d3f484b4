"""What a driver makes of what it knows: rates, sums over workers that died, metrics, a table."""

from __future__ import annotations

import asyncio
import io
import re
import socket
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from rich.console import Console

from rankgen.generator.commands.status_view import live_view, status_text, status_values
from rankgen.generator.engines.gauges import GAUGES
from rankgen.generator.shards import metrics, watch
from rankgen.generator.shards.metrics import published_metrics, show_as_metrics
from rankgen.generator.shards.rate import Rate
from rankgen.generator.shards.slot import Queued, Slot
from rankgen.generator.shards.vitals import LastError, Vitals
from rankgen.generator.shards.watch import Watch, WatchedEvents, watched
from rankgen.generator.shards.work import ShardTask
from rankgen.generator.shards.worker import ShardWorker
from rankgen.manifests.errors import EnvironmentProblem, UsageError
from rankgen.manifests.run.driver_report import (
    DriverReport,
    SeenDriver,
    Trouble,
    WorkerReport,
    read_reports,
)
from rankgen.manifests.run.plan import Plan
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.run.status import RunStatus

PLAN = Plan(
    kind="label",
    tables=("rankings",),
    recipe={},
    settings={},
    shards=4,
    queries=40,
    queries_sha256="",
)


def test_a_rate_is_of_the_last_minute() -> None:
    rate = Rate(60.0)
    assert rate.per_second(0.0) is None
    rate.add(0.0, 100)
    assert rate.per_second(5.0) is None
    for second in range(10, 101, 10):
        rate.add(float(second), 100 + 3 * second)
    assert rate.per_second(100.0) == 3.0
    # Since then nothing has come.
    assert rate.per_second(120.0) == pytest.approx(3.0 * 40 / 60)
    assert rate.per_second(300.0) == pytest.approx(3.0 * 10 / 210)


class Works:
    """Work that has done three windows, whose engine cannot be asked."""

    last_error = None

    def progress(self) -> int:
        return 3

    def gauges(self) -> dict[str, float]:
        raise RuntimeError("no metrics")


def test_an_engine_that_says_nothing_does_not_look_like_a_stall(tmp_path: Path) -> None:
    worker = ShardWorker(tmp_path, "f", 1, cast(Any, None), cast(Any, None))
    assert asyncio.run(worker.vitals()).progress == 0
    worker._work = cast(Any, Works())
    vitals = asyncio.run(worker.vitals())
    assert (vitals.progress, vitals.gauges, vitals.error) == (3, {}, None)


def worker_slot(name: str, progress: int, shards: Sequence[int], **gauges: float) -> Slot:
    # No actor and no reference of Ray's is looked at here.
    slot = Slot(cast(Any, None), cast(Any, None), time.monotonic(), ready=True)
    slot.pulse.vitals = Vitals(name, progress, gauges, LastError(5.0, f"{name} failed"))
    slot.tasks = {cast(Any, s): Queued(ShardTask(s, 0, ())) for s in shards}
    return slot


@pytest.fixture
def watching(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Watch:
    monkeypatch.setattr(watch, "LOOK_SECONDS", 0.0)
    return Watch(PLAN, "windows", WatchedEvents(RunDirectory(tmp_path)), 3.0)


def test_what_dead_workers_have_done_still_counts(watching: Watch) -> None:
    one = worker_slot("a-1", 10, [2, 0], prompt_tokens_total=100, engine_kv_cache_usage=0.5)
    two = worker_slot("b-2", 20, [], prompt_tokens_total=30)
    watching.see([one, two])
    report = watching.report()
    assert [(w.worker, w.state, w.shards, w.done) for w in report.workers] == [
        ("a-1", "working", (0, 2), 10),
        ("b-2", "idle", (), 20),
    ]
    assert (report.workers[0].last_error, report.workers[0].last_error_at) == ("a-1 failed", 5.0)
    assert report.workers[0].silent_seconds is not None
    assert report.workers[1].silent_seconds is None
    assert (report.done, report.counters) == (30, {"prompt_tokens_total": 130})
    three = worker_slot("c-3", 1, [2], prompt_tokens_total=1)
    watching.see([two, three])
    report = watching.report()
    assert (report.done, report.counters) == (31, {"prompt_tokens_total": 131})
    watching.end("left")
    report = watching.report()
    assert (report.done, report.state, report.workers) == (31, "left", ())
    assert report.counters == {"prompt_tokens_total": 131}


def test_a_shard_that_is_committed_again_counts_once(watching: Watch) -> None:
    watching.events.count(0, 10, 3)
    watching.events.write("commit", shard=1, queries=10, failed=0)
    assert (watching.report().queries_done, watching.report().queries_failed) == (17, 3)
    watching.events.write("lost race", shard=0, queries=10, failed=1)
    assert (watching.report().queries_done, watching.report().queries_failed) == (19, 1)


def test_a_worker_without_a_place_is_told_from_one_that_loads(watching: Watch) -> None:
    slot = Slot(cast(Any, None), cast(Any, None), time.monotonic())
    watching.see([slot])
    assert [(w.state, w.node) for w in watching.report().workers] == [("waiting", None)]


def test_the_last_troubles_are_kept_the_latest_first(tmp_path: Path) -> None:
    events = WatchedEvents(RunDirectory(tmp_path))
    for shard in range(9):
        events.write("commit", shard=shard)
        events.write("worker died", shard=shard, reason=f"reason {shard}", node="n")
    found = Watch(PLAN, "windows", events, 3.0).report().troubles
    assert [trouble.shard for trouble in found] == [8, 7, 6, 5, 4]
    assert (found[0].event, found[0].reason, found[0].node) == ("worker died", "reason 8", "n")
    (log,) = (tmp_path / ".rankgen" / "events").iterdir()
    assert len(log.read_text().splitlines()) == 18


def test_a_report_that_cannot_be_written_does_not_matter(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    run.progress.parent.mkdir()
    run.progress.write_text("in the way")
    with watched(run, PLAN, "windows", WatchedEvents(run)) as seen:
        seen.events.count(0, 10, 0)
    assert run.progress.read_text() == "in the way"


def test_a_driver_is_seen_at_once_and_seen_to_leave(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    with watched(run, PLAN, "windows", WatchedEvents(run)):
        deadline = time.monotonic() + 20
        while not read_reports(run) and time.monotonic() < deadline:
            time.sleep(0.01)
        (seen,) = read_reports(run)
        assert (seen.is_alive, seen.report.state) == (True, "working")
    (seen,) = read_reports(run)
    assert (seen.is_alive, seen.report.state) == (False, "left")
    assert not [t for t in threading.enumerate() if "_keep_calling" in t.name]


REPORT = DriverReport(
    driver="head-7",
    kind="label",
    unit="windows",
    state="working",
    began=0.0,
    written=0.0,
    every=3.0,
    workers=(
        WorkerReport(
            "gpu1-11",
            "10.0.0.1",
            "working",
            (3, 4, 5, 6, 7, 8),
            90,
            12.345,
            1.0,
            gauges={
                "engine_requests_running": 24,
                "engine_requests_waiting": 3,
                "engine_kv_cache_usage": 0.41,
            },
        ),
        WorkerReport("gpu2-12", "10.0.0.2", "working", (9,), 5, 0.0, 700.0, "no answer", 1.0),
        WorkerReport(None, None, "waiting"),
    ),
    troubles=(Trouble(1.0, "node lost", "ActorDiedError", "10.0.0.3", 2),),
    queries=40,
    queries_done=20,
    queries_failed=1,
    done=95,
    counters={"prompt_tokens_total": 1e6},
)
STATUS = RunStatus(
    kind="label",
    fingerprint="f",
    queries=40,
    published=20,
    shards=4,
    committed=2,
    quarantined={},
    counts={"windows": 80},
    queries_per_second=0.5,
    seconds_left=40.0,
    seconds_silent=1.0,
    finished=False,
    drivers=(SeenDriver(REPORT, 2.0, True),),
)


def drawn(status: RunStatus, height: int = 40) -> list[str]:
    output = io.StringIO()
    Console(file=output, width=160, height=height).print(live_view("run", status, height))
    return output.getvalue().splitlines()


def test_the_table_shows_every_worker_those_in_trouble_first() -> None:
    lines = drawn(STATUS)
    assert lines[0].rstrip() == "label run: running"
    head = next(i for i, line in enumerate(lines) if line.startswith("worker"))
    columns = [
        "worker",
        "node",
        "state",
        "shards",
        "windows/s",
        "silent",
        "engine",
        "last",
        "error",
    ]
    assert lines[head].split() == columns
    silent, waiting, working = lines[head + 1 : head + 4]
    assert silent.split()[:6] == ["gpu2-12", "10.0.0.2", "working", "9", "0.00", "12"]
    assert silent.rstrip().endswith("no answer")
    assert waiting.split() == ["?", "none", "yet", "waiting"]
    assert "3 4 5 6 +2" in working
    assert "12.35" in working
    assert "24 running, 3 waiting, cache 41%" in working
    assert any("node lost on 10.0.0.3, shard 2: ActorDiedError" in line for line in lines)


def test_of_many_workers_as_many_are_shown_as_fit() -> None:
    many = tuple(WorkerReport(f"w-{n:03}", "n", "idle") for n in range(200))
    crowd = replace(STATUS, drivers=(SeenDriver(replace(REPORT, workers=many), 2.0, True),))
    lines = drawn(crowd, height=40)
    assert len(lines) <= 40
    (rest,) = (line for line in lines if line.startswith("and "))
    assert int(rest.split()[1]) == 200 - sum(line.startswith("w-") for line in lines)


def test_a_dead_driver_is_shown_as_dead_and_its_workers_are_not() -> None:
    dead = replace(STATUS, drivers=(SeenDriver(REPORT, 7200.0, False),))
    text = status_text("run", dead)
    assert "label run: unfinished; repeat its command to resume" in text
    assert "head-7: died, or cannot reach the run's folder; last heard of 2 h 0 min ago" in text
    assert not any(line.startswith("worker ") for line in drawn(dead))
    values = status_values(dead)
    assert [driver["state"] for driver in cast(Any, values["drivers"])] == ["died"]


def test_values_name_the_driver_of_each_worker() -> None:
    values = status_values(STATUS)
    workers = cast(Any, values["workers"])
    assert [worker["driver"] for worker in workers] == ["head-7"] * 3
    assert workers[0]["shards"] == (3, 4, 5, 6, 7, 8)
    (driver,) = cast(Any, values["drivers"])
    assert (driver["per_second"], driver["silent_seconds"]) == (12.345, 2.0)
    assert "workers" not in driver


def test_a_port_that_is_taken_and_files_that_nobody_would_read_are_refused(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with (
            pytest.raises(EnvironmentProblem, match=f"on port {port}: Address already in use"),
            published_metrics(port, None),
        ):
            pass
    for name, problem in (
        ("x.txt", "does not end in .prom"),
        ("none/x.prom", "is in a missing folder"),
    ):
        with (
            pytest.raises(UsageError, match=f"{name} {problem}"),
            published_metrics(None, tmp_path / name),
        ):
            pass


def test_the_metrics_file_is_in_prometheus_form_and_is_written_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "rankgen.prom"
    with published_metrics(None, path):
        show_as_metrics("out/run", lambda: REPORT)
    lines = path.read_text().splitlines()
    own = 'kind="label",run="out/run"'
    assert "# TYPE rankgen_windows_total counter" in lines
    assert f"rankgen_windows_total{{{own}}} 95.0" in lines
    assert f"rankgen_windows_per_second{{{own}}} 12.345" in lines
    assert f"rankgen_prompt_tokens_total{{{own}}} 1e+06" in lines
    assert f'rankgen_workers{{{own},state="waiting"}} 1.0' in lines
    at = 'kind="label",node="10.0.0.1",run="out/run",worker="gpu1-11"'
    assert f"rankgen_engine_kv_cache_usage{{{at}}} 0.41" in lines
    assert [path.name for path in tmp_path.iterdir()] == ["rankgen.prom"]


def test_nothing_is_published_before_there_is_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "_SHOWN", metrics._Shown())
    with published_metrics(None, tmp_path / "rankgen.prom"):
        pass
    assert (tmp_path / "rankgen.prom").read_text() == ""


def test_the_readme_lists_every_metric(tmp_path: Path) -> None:
    path, every = tmp_path / "rankgen.prom", dict.fromkeys(GAUGES, 1.0)
    workers = (replace(REPORT.workers[0], gauges=every),)
    with published_metrics(None, path):
        show_as_metrics("run", lambda: replace(REPORT, workers=workers, counters=every))
    made = set(re.findall(r"^(rankgen_\w+)", path.read_text(), re.MULTILINE))
    assert {f"rankgen_{name}" for name in GAUGES} < made
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(rankgen_\w+)", readme))
    # Three that begin alike stand as one.
    assert made - named == {"rankgen_queries_done", "rankgen_queries_failed"}
    assert named - made == set()
