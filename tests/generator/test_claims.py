"""Two drivers share a run: no shard is done twice, and what a dead driver held is taken over."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from kill_scenes import Untouched, UntouchedRuns
from killed_runs import CONCURRENCY, WORKERS, KillableRun, published
from processes import kill, wait_until

from rankgen.generator.shards.claims import WRITING_SECONDS, Claim, Claims
from rankgen.generator.shards.drivers import HANGING_SECONDS, LEFT, STARTED
from rankgen.generator.shards.events import EventLog
from rankgen.generator.shards.work import ShardTask
from rankgen.manifests.run.run_directory import RunDirectory

CLAIM = """
import sys
from rankgen.generator.shards.claims import Claims
from rankgen.generator.shards.drivers import STARTED
from rankgen.generator.shards.events import EventLog
from rankgen.generator.shards.work import ShardTask
from rankgen.manifests.run.run_directory import RunDirectory
run = RunDirectory(sys.argv[1])
EventLog(run).write(STARTED)
print(Claims(run).claim(ShardTask(3, 0, ())).value, flush=True)
input()
"""
SHARD = ShardTask(3, 0, ())
# Beyond the numbers that Linux gives to processes.
NO_PROCESS = 4_194_305


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    run = RunDirectory(tmp_path / "run")
    run.commits.mkdir(parents=True)
    return run


@pytest.mark.parametrize("end", ["killed", "killed and waited for", "stopped"])
def test_a_claim_holds_while_its_driver_lives(run: RunDirectory, end: str) -> None:
    command = [sys.executable, "-c", CLAIM, str(run.root)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"ours\n"
        assert Claims(run).claim(SHARD) is Claim.THEIRS
        assert Claims(run).claim(ShardTask(4, 0, ())) is Claim.OURS
        if end == "killed":
            kill(other.pid)
        elif end == "killed and waited for":
            other.kill()
            other.wait()
        else:
            long_ago = time.time() - HANGING_SECONDS - 1
            os.utime(run.events / f"{socket.gethostname()}-{other.pid}.jsonl", (long_ago,) * 2)
        assert Claims(run).claim(SHARD) is Claim.OURS
        other.kill()


def test_a_claim_is_ours_again_and_ends_with_the_commit(run: RunDirectory) -> None:
    claims = Claims(run)
    assert [claims.claim(SHARD), claims.claim(SHARD)] == [Claim.OURS, Claim.OURS]
    run.record_path(3, 0).write_text("{}")
    assert claims.claim(SHARD) is Claim.COMMITTED
    assert claims.claim(ShardTask(3, 1, ())) is Claim.OURS


def test_what_a_driver_held_that_left_is_anybodys(run: RunDirectory) -> None:
    run.claims.mkdir()
    (run.claims / "00003").write_text("elsewhere-1")
    run.events.mkdir()
    log = run.events / "elsewhere-1.jsonl"
    log.write_text(f'{{"event": "{STARTED}"}}\n')
    assert Claims(run).claim(SHARD) is Claim.THEIRS
    log.write_text(f'{{"event": "{STARTED}"}}\n{{"event": "{LEFT}"}}\n')
    assert Claims(run).claim(SHARD) is Claim.OURS
    EventLog(run).write(STARTED)
    assert (run.claims / "00003").read_text() != "elsewhere-1"


def test_workers_that_outlive_their_driver_are_waited_for(run: RunDirectory) -> None:
    run.claims.mkdir()
    (run.claims / "00003").write_text(f"{socket.gethostname()}-{NO_PROCESS}")
    with subprocess.Popen(["sleep", "60"]) as worker:
        journal = run.journal_of(3) / f"{socket.gethostname()}-{worker.pid}-0123abcd.jsonl"
        journal.parent.mkdir(parents=True)
        journal.touch()
        assert Claims(run).claim(SHARD) is Claim.THEIRS
        # Another process has its number by now.
        os.utime(journal, (time.time() - WRITING_SECONDS - 1,) * 2)
        assert Claims(run).claim(SHARD) is Claim.OURS
        (run.claims / "00003").write_text(f"{socket.gethostname()}-{NO_PROCESS}")
        journal.touch()
        kill(worker.pid)
        assert Claims(run).claim(SHARD) is Claim.OURS


@pytest.fixture(scope="module")
def whole(untouched_runs: UntouchedRuns) -> Untouched:
    return untouched_runs["plain"]


@pytest.mark.timeout(600)
def test_two_drivers_ask_for_each_window_once(whole: Untouched, tmp_path: Path) -> None:
    # Slow enough that one driver, alone, is not done before the other one has started Ray.
    run = KillableRun(tmp_path / "run", whole.candidates, latency_s=1.0)
    for driver in [run.start(), run.start()]:
        run.succeeded(driver)
    assert len(run.asked()) == whole.windows
    # Each of the two has done a part.
    assert len({process for process, _ in run.asked()}) > WORKERS
    assert published(run.out) == whole.shards
    run.verified()


@pytest.mark.timeout(600)
def test_the_shards_of_a_killed_driver_are_taken_over(whole: Untouched, tmp_path: Path) -> None:
    run = KillableRun(tmp_path / "run", whole.candidates, latency_s=0.5)
    first = run.start()
    wait_until(lambda: bool(run.asked()) or first.poll() is not None, "no window")
    second = run.start()
    logs = RunDirectory(run.out).events
    waits = f"*-{second.pid}.jsonl"
    wait_until(lambda: any('"start"' in p.read_text() for p in logs.glob(waits)), "no start")
    kill(first.pid)
    run.succeeded(second)
    assert len(run.asked()) <= whole.windows + WORKERS * CONCURRENCY
    assert published(run.out) == whole.shards
    run.verified()
