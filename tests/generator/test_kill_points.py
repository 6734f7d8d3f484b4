"""Runs killed anywhere end, resumed, in the bytes of the run that nobody killed.

Four points here, three of them `slow`: other files kill a worker, a driver and a node too.
`make kill-storm` runs fifty.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from kill_points import Kind, Untouched, draw, kill_surely, untouched
from killed_runs import SHARDS, KillableRun, published, wait_until

pytestmark = pytest.mark.timeout(600)
KINDS: tuple[Kind, ...] = ("worker", "driver", "node", "step")
SEED = 20260


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Untouched:
    return untouched(tmp_path_factory.mktemp("whole"))


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(n, marks=[] if kind == "step" else pytest.mark.slow, id=kind)
        for n, kind in enumerate(KINDS)
    ],
)
def test_a_killed_run_resumes_to_the_same_bytes(
    number: int, whole: Untouched, tmp_path: Path
) -> None:
    point, cost = kill_surely(draw(KINDS, whole, SEED)[number], whole, tmp_path / "runs")
    print(point, cost)


def test_a_stopped_run_finishes_what_is_in_flight(whole: Untouched, tmp_path: Path) -> None:
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


def test_the_steps_of_a_commit_are_all_known(whole: Untouched) -> None:
    steps = {f"{role} {step}" for role, step in whole.steps}
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
