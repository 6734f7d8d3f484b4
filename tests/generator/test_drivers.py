"""A plan stands as long as a driver that made it lives, also before there is any work."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rankgen.generator.shards.drivers import LEFT, SILENT_SECONDS, STARTED, other_driver
from rankgen.generator.shards.events import EventLog
from rankgen.manifests.errors import UsageError
from rankgen.manifests.records import Query
from rankgen.manifests.run.plan import Plan, digest_of_queries, open_plan
from rankgen.manifests.run.run_directory import RunDirectory

QUERIES = [Query("q", "text")]


def plan(depth: int) -> Plan:
    return Plan(
        kind="retrieve",
        tables=("queries",),
        recipe={"depth": depth},
        settings={},
        shards=1,
        queries=1,
        queries_sha256=digest_of_queries(QUERIES),
    )


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    run = RunDirectory(tmp_path / "run")
    open_plan(run, plan(10), QUERIES)
    run.events.mkdir()
    return run


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        yield other
        other.kill()


def log_of(run: RunDirectory, name: str, event: str = STARTED) -> Path:
    path = run.events / f"{name}.jsonl"
    path.write_text(f'{{"time": 1, "event": "{event}"}}\n')
    return path


def test_a_second_recipe_waits_for_the_driver_of_the_first(
    run: RunDirectory, process: subprocess.Popen[bytes]
) -> None:
    log_of(run, f"{socket.gethostname()}-{process.pid}")
    with pytest.raises(UsageError, match=rf"{process.pid} is working on .* depth 10 -> 20"):
        open_plan(run, plan(20), QUERIES, other_driver(run))
    assert open_plan(run, plan(10), QUERIES, other_driver(run)).recipe == {"depth": 10}
    process.kill()
    process.wait()
    assert open_plan(run, plan(20), QUERIES, other_driver(run)).recipe == {"depth": 20}


def test_a_driver_that_has_left_holds_nothing(
    run: RunDirectory, process: subprocess.Popen[bytes]
) -> None:
    log_of(run, f"{socket.gethostname()}-{process.pid}", LEFT)
    assert other_driver(run) is None


def test_a_driver_elsewhere_lives_while_it_writes(run: RunDirectory) -> None:
    path = log_of(run, "elsewhere-1")
    assert other_driver(run) == "elsewhere-1"
    long_ago = time.time() - SILENT_SECONDS - 1
    os.utime(path, (long_ago, long_ago))
    assert other_driver(run) is None


def test_a_driver_is_not_another_to_itself(run: RunDirectory) -> None:
    EventLog(run).write(STARTED)
    assert other_driver(run) is None
