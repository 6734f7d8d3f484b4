"""Where runs are killed, drawn from a seed, and what each kill may cost."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from kill_evidence import Snapshot
from killed_runs import (
    LATENCY_S,
    KillableRun,
    StepToDieAt,
    alive,
    descendants,
    kill,
    make_candidates,
    published,
    wait_until,
)

Kind = Literal["worker", "driver", "node", "step"]
# Steps that a commit consists of; the others write the plan, the texts and the manifest.
COMMIT_FOLDERS = (".rankgen/commits", ".rankgen/attempts", "rankings", "windows")


@dataclass(frozen=True)
class KillPoint:
    """One point.

    Attributes:
        kind: What dies: a worker, the driver (its Ray with it), a whole node, or whoever reaches
            `step`.
        windows: How many windows are asked for before; 0 for a step.
        pause_s: How long after that.
        step: The step of kind "step".
    """

    kind: Kind
    windows: int = 0
    pause_s: float = 0.0
    step: StepToDieAt | None = None


@dataclass(frozen=True)
class Untouched:
    """The run that nobody kills.

    Attributes:
        windows: How many windows its teacher was asked for.
        shards: The bytes of its shards.
        steps: How often each (role, step) happened.
    """

    candidates: Path
    windows: int
    shards: dict[str, bytes]
    steps: Counter[tuple[str, str]]


@dataclass(frozen=True)
class Cost:
    """What a kill did.

    Attributes:
        dead: The worker processes that died at work.
        committed: Shards that had been committed.
        journalled: Windows in the journal of shards that had not.
        relabelled: Windows that the teacher was asked for twice.
        seconds: Of both runs together.
    """

    dead: int
    committed: int
    journalled: int
    relabelled: int
    seconds: float


def untouched(folder: Path) -> Untouched:
    """Makes the candidates and the run to compare with, and writes down its steps."""
    candidates = make_candidates(folder / "candidates")
    run = KillableRun(folder / "untouched", candidates, trace=True)
    run.finish()
    windows = [window for _, window in run.asked()]
    assert len(windows) == len(set(windows)) > 0
    return Untouched(candidates, len(windows), published(run.out), run.all_steps())


def draw(kinds: Sequence[Kind], whole: Untouched, seed: int) -> list[KillPoint]:
    """Returns a point of each kind; steps are drawn without repetition, a commit's first."""
    chance = random.Random(seed)
    names = sorted(whole.steps)
    of_commit = [name for name in names if name[1].split(maxsplit=1)[1].startswith(COMMIT_FOLDERS)]
    others = [name for name in names if name not in of_commit]
    chance.shuffle(of_commit)
    chance.shuffle(others)
    steps = iter(of_commit + others)
    points = []
    for kind in kinds:
        if kind == "step":
            points.append(KillPoint(kind, step=_step(*next(steps), whole.steps, chance)))
        else:
            windows = chance.randint(1, whole.windows - 1)
            points.append(KillPoint(kind, windows, round(chance.uniform(0, 0.05), 4)))
    return points


def _step(
    role: str, step: str, counts: Counter[tuple[str, str]], chance: random.Random
) -> StepToDieAt:
    # How the workers share the shards differs from run to run.
    surely = counts[role, step] // 3 if role == "worker" else counts[role, step]
    return StepToDieAt(role, step, chance.randint(1, max(1, surely)), chance.random() < 0.5)


class DidNotFire(Exception):
    """The run was over before the point came."""


def kill_and_resume(point: KillPoint, whole: Untouched, folder: Path) -> Cost:
    """Kills a run at a point, resumes it by the same command and checks all that must hold.

    Raises:
        DidNotFire: Nothing was killed.
        AssertionError: Something does not hold.
    """
    began = time.monotonic()
    # Workers of a cluster start seconds apart; the first must not have done all by then.
    latency_s = LATENCY_S if point.kind != "node" else 5 * LATENCY_S
    run = KillableRun(folder, whole.candidates, point.step, latency_s=latency_s)
    with _cluster(point, run) as (address, doomed):
        driver = run.start(address)
        try:
            dead = _strike(point, run, driver, doomed)
            before = Snapshot(run, dead)
            if driver.poll() is None:
                run.succeeded(driver)
        finally:
            if driver.poll() is None:
                driver.kill()
    run.finish()
    relabelled = before.check(run, whole.shards, whole.windows)
    run.verified()
    seconds = round(time.monotonic() - began, 2)
    return Cost(len(dead), len(before.committed), before.windows, relabelled, seconds)


def kill_surely(point: KillPoint, whole: Untouched, folder: Path) -> tuple[KillPoint, Cost]:
    """Kills and resumes; a point that comes too late is moved forward, and what fired is returned.

    Raises:
        AssertionError: Something does not hold, or nothing fired in three runs.
    """
    for number in range(3):
        try:
            return point, kill_and_resume(point, whole, folder / str(number))
        except DidNotFire:
            step = None if point.step is None else replace(point.step, occurrence=1)
            point = replace(point, windows=max(1, point.windows // 2), step=step)
    raise AssertionError(f"{point} never fired")


def _strike(
    point: KillPoint, run: KillableRun, driver: subprocess.Popen[bytes], doomed: int | None
) -> list[int]:
    """Waits for the point and kills; returns the workers that died with windows asked for."""
    if point.step is not None:
        wait_until(lambda: run.marker.exists() or driver.poll() is not None, str(point))
        if not run.marker.exists():
            run.succeeded(driver)
            raise DidNotFire
        wait_until(lambda: run.marker.read_text() != "", "no process in the marker")
        victim = int(run.marker.read_text())
        wait_until(lambda: not alive(victim), f"process {victim} does not die")
    else:
        wait_until(lambda: _due(point, run, doomed) or driver.poll() is not None, str(point))
        time.sleep(point.pause_s)
        victim = _kill(point, run, driver, doomed)
    asking = {process for process, _ in run.asked()}
    if victim == driver.pid:
        assert driver.wait() == -signal.SIGKILL
        # Its Ray ends with it; what still ran for a moment may have journalled a little more.
        wait_until(lambda: not any(map(alive, run.role_processes("worker"))), "workers live on")
        return sorted({process for process, _ in run.asked()})
    return sorted(process for process in asking if not alive(process))


def _due(point: KillPoint, run: KillableRun, doomed: int | None) -> bool:
    """Says whether so many windows were asked for and somebody who is to die is at work."""
    asked = run.asked()
    if len(asked) < point.windows:
        return False
    asking = {process for process, _ in asked}
    return doomed is None or not asking.isdisjoint(descendants(doomed))


def _kill(
    point: KillPoint, run: KillableRun, driver: subprocess.Popen[bytes], doomed: int | None
) -> int:
    """Kills what the point's kind names and returns the process that it began with."""
    if point.kind == "node":
        assert doomed is not None
        family = [doomed, *descendants(doomed)]
        at_work = {process for process, _ in run.asked()} & set(filter(alive, family))
        if not at_work:
            raise DidNotFire
        for process in family:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        wait_until(lambda: not any(map(alive, family)), "the node does not die")
        victim = doomed
    else:
        chance = random.Random(point.windows)
        at_work = {process for process, _ in run.asked() if alive(process)}
        if not at_work or driver.poll() is not None:
            raise DidNotFire
        victim = driver.pid if point.kind == "driver" else chance.choice(sorted(at_work))
        kill(victim)
    return victim


@contextlib.contextmanager
def _cluster(point: KillPoint, run: KillableRun) -> Iterator[tuple[str | None, int | None]]:
    """Yields a cluster's address and the first process of the node that is to die."""
    if point.kind != "node":
        yield None, None
        return
    from ray.cluster_utils import Cluster

    before = dict(os.environ)
    os.environ.update(run.environment())
    head = {"num_cpus": 1, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        node = cluster.add_node(num_cpus=1)
        (raylet,) = node.all_processes["raylet"]
        yield cluster.address, raylet.process.pid
    finally:
        cluster.shutdown()
        os.environ.clear()
        os.environ.update(before)
