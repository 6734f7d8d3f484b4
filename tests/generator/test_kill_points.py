"""Runs killed anywhere end, resumed, in the bytes of the run that nobody killed.

A point of each kind and one in each scene here, most of them `slow`: other files kill a worker, a
driver and a node too. `make kill-storm` runs fifty.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from kill_points import Kind, draw, kill_surely
from kill_scenes import SceneName, UntouchedRuns
from killed_runs import SHARDS, KillableRun, published
from processes import wait_until

pytestmark = pytest.mark.timeout(600)
KINDS: tuple[tuple[Kind, SceneName], ...] = (
    ("worker", "plain"),
    ("driver", "plain"),
    ("node", "plain"),
    ("step", "plain"),
    ("step", "quarantined"),
    ("step", "retried"),
    ("worker", "bisected"),
    ("worker", "container"),
    ("worker", "gpus"),
    ("worker", "unmounted run"),
    ("node", "unmounted candidates"),
)
FAST = (("step", "plain"), ("step", "quarantined"), ("worker", "container"))
SEED = 20260


@pytest.fixture
def runs(untouched_runs: UntouchedRuns) -> UntouchedRuns:
    return untouched_runs


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(n, marks=[] if kind in FAST else pytest.mark.slow, id=" ".join(kind))
        for n, kind in enumerate(KINDS)
    ],
)
def test_a_killed_run_resumes_to_the_same_bytes(
    number: int, runs: UntouchedRuns, tmp_path: Path
) -> None:
    (point,) = draw(KINDS[number : number + 1], runs, SEED + number)
    fired, cost = kill_surely(point, runs, tmp_path / "runs")
    print(fired, cost)


def test_a_stopped_run_finishes_what_is_in_flight(runs: UntouchedRuns, tmp_path: Path) -> None:
    whole = runs["plain"]
    run = KillableRun(tmp_path / "run", whole.candidates, latency_s=0.1)
    driver = run.start()
    wait_until(lambda: bool(run.asked()) or driver.poll() is not None, "no window")
    driver.terminate()
    assert driver.wait() == 130
    committed = run.records()
    assert 0 < len(committed) < SHARDS
    run.finish()
    assert published(run.out) == whole.shards
    # Nothing was in flight any more, so nothing was asked twice.
    assert len(run.asked()) == whole.windows
    run.verified()


def test_the_steps_of_a_commit_are_all_known(runs: UntouchedRuns) -> None:
    steps = {f"{role} {step}" for role, step in runs["plain"].steps}
    assert {
        "worker rename .rankgen/attempts/N.0-H/rankings.parquet",
        "driver write .rankgen/commits/.N.0.json.H.draft",
        "driver sync .rankgen/commits/.N.0.json.H.draft",
        "driver link .rankgen/commits/N.0.json",
        "driver sync .rankgen/commits",
        "driver rename rankings/train-N-of-N.parquet",
        "driver sync rankings",
        "driver rename windows/train-N-of-N.parquet",
        "driver rename manifest.json",
    } <= steps
