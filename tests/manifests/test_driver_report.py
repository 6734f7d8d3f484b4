"""What a driver writes of its workers, read by others: who works, who died, what is no report."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from rankgen.manifests.run.driver_report import (
    DriverReport,
    Trouble,
    WorkerReport,
    read_reports,
    remove_old_reports,
    seconds_between_reports,
    write_report,
)
from rankgen.manifests.run.run_directory import RunDirectory

REPORT = DriverReport(
    driver="elsewhere-12",
    kind="label",
    unit="windows",
    state="working",
    began=1.0,
    written=2.0,
    every=3.0,
    workers=(
        WorkerReport("elsewhere-13", "10.0.0.1", "working", (3, 5), 40, 1.5, 0.2),
        WorkerReport(None, None, "waiting"),
    ),
    troubles=(Trouble(1.5, "worker died", "out of memory", "10.0.0.1", 3),),
    queries=9,
    counters={"prompt_tokens_total": 5.0},
)


def names(run: RunDirectory) -> list[tuple[str, bool]]:
    return [(seen.report.driver, seen.is_alive) for seen in read_reports(run)]


def written_long_ago(run: RunDirectory, report: DriverReport, seconds: float) -> None:
    write_report(run, report)
    then = time.time() - seconds
    os.utime(run.progress / f"{report.driver}.json", (then, then))


def test_a_report_is_read_as_it_was_written(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    assert read_reports(run) == []
    write_report(run, REPORT)
    (seen,) = read_reports(run)
    assert seen.report == REPORT
    assert seen.report.per_second == 1.5
    assert 0 <= seen.silent_seconds < 30


def test_a_driver_of_another_machine_lives_while_it_writes(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    written_long_ago(run, REPORT, 20)
    assert names(run) == [("elsewhere-12", True)]
    written_long_ago(run, REPORT, 40)
    assert names(run) == [("elsewhere-12", False)]
    # Who writes seldom, as in a store, may be silent for longer.
    written_long_ago(run, replace(REPORT, every=20.0), 40)
    assert names(run) == [("elsewhere-12", True)]
    write_report(run, replace(REPORT, state="left"))
    assert names(run) == [("elsewhere-12", False)]


def test_a_driver_of_this_machine_lives_while_its_process_does(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        name = f"{socket.gethostname()}-{process.pid}"
        write_report(run, replace(REPORT, driver=name))
        assert names(run) == [(name, True)]
        process.kill()
        process.wait()
        assert names(run) == [(name, False)]


def test_those_who_work_come_first_and_the_others_are_removed(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    written_long_ago(run, replace(REPORT, driver="working-1"), 10)
    write_report(run, replace(REPORT, driver="left-2", state="left"))
    written_long_ago(run, replace(REPORT, driver="dead-3"), 900)
    assert names(run) == [("working-1", True), ("left-2", False), ("dead-3", False)]
    remove_old_reports(run, but="left-2")
    assert names(run) == [("working-1", True), ("left-2", False)]


@pytest.mark.parametrize("content", [b"", b"{", b'{"driver": "x"}', b'"text"'])
def test_a_file_that_is_no_report_is_passed_over(tmp_path: Path, content: bytes) -> None:
    run = RunDirectory(tmp_path)
    write_report(run, REPORT)
    (run.progress / "other-1.json").write_bytes(content)
    assert names(run) == [("elsewhere-12", True)]


def test_a_store_is_written_to_less_often(tmp_path: Path, s3_bucket: str) -> None:
    on_disk, in_store = RunDirectory(tmp_path), RunDirectory(f"{s3_bucket}/run")
    assert seconds_between_reports(on_disk) < 5 < seconds_between_reports(in_store)
    assert read_reports(in_store) == []
    write_report(in_store, REPORT)
    write_report(in_store, replace(REPORT, queries=10))
    (seen,) = read_reports(in_store)
    assert (seen.report.queries, seen.is_alive) == (10, True)
    assert 0 <= seen.silent_seconds < 30
    write_report(in_store, replace(REPORT, state="left"))
    remove_old_reports(in_store, but="")
    assert read_reports(in_store) == []
