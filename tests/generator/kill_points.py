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

from kill_evidence import Snapshot, check_end
from kill_scenes import SCENES, SceneName, Untouched, UntouchedRuns, begun, place_of
from killed_runs import LATENCY_S, KillableRun, StepToDieAt
from processes import alive, descendants, kill, wait_until

Kind = Literal["worker", "driver", "node", "step"]
# Steps that a commit consists of; the others write the plan, the texts and the manifest.
COMMIT_FOLDERS = (".rankgen/commits", ".rankgen/attempts", "rankings", "windows")


@dataclass(frozen=True)
class KillPoint:
    """One point.

    Attributes:
        kind: What dies: a worker, the driver (its Ray with it), a whole node, or whoever reaches
            `step`.
        scene: What else goes wrong, and where.
        windows: How many windows are asked for before; 0 for a step.
        pause_s: How long after that.
        step: The step of kind "step".
    """

    kind: Kind
    scene: SceneName = "plain"
    windows: int = 0
    pause_s: float = 0.0
    step: StepToDieAt | None = None


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


def draw(
    kinds: Sequence[tuple[Kind, SceneName]], runs: UntouchedRuns, seed: int
) -> list[KillPoint]:
    """Returns a point of each kind; a scene's steps are not drawn twice, a commit's come first."""
    chance = random.Random(seed)
    steps: dict[SceneName, Iterator[tuple[str, str]]] = {}
    points = []
    for kind, scene in kinds:
        whole = runs[scene]
        if kind == "step":
            if scene not in steps:
                steps[scene] = iter(_shuffled_steps(whole, chance))
            step = _step(*next(steps[scene]), whole.steps, chance)
            points.append(KillPoint(kind, scene, step=step))
        else:
            windows = chance.randint(1, whole.windows - 1)
            points.append(KillPoint(kind, scene, windows, round(chance.uniform(0, 0.05), 4)))
    return points


def _shuffled_steps(whole: Untouched, chance: random.Random) -> list[tuple[str, str]]:
    names = sorted(whole.steps)
    of_commit = [name for name in names if name[1].split(maxsplit=1)[1].startswith(COMMIT_FOLDERS)]
    others = [name for name in names if name not in of_commit]
    chance.shuffle(of_commit)
    chance.shuffle(others)
    return of_commit + others


def _step(
    role: str, step: str, counts: Counter[tuple[str, str]], chance: random.Random
) -> StepToDieAt:
    # How the workers share the shards differs from run to run.
    surely = counts[role, step] // 3 if role == "worker" else counts[role, step]
    return StepToDieAt(role, step, chance.randint(1, max(1, surely)), chance.random() < 0.5)


class DidNotFire(Exception):
    """The run was over before the point came."""


def kill_and_resume(point: KillPoint, runs: UntouchedRuns, folder: Path) -> Cost:
    """Kills a run at a point, resumes it by the same command and checks all that must hold.

    Where queries are in quarantine then, the command without the faults must fetch them.

    Raises:
        DidNotFire: Nothing was killed.
        AssertionError: Something does not hold.
    """
    began_at = time.monotonic()
    scene, whole = SCENES[point.scene], runs[point.scene]
    if point.kind == "node":
        # Workers of a cluster start seconds apart; the first must not have done all by then.
        scene = replace(scene, latency_s=5 * LATENCY_S)
    run = begun(scene, folder, whole.candidates, gpus=point.scene == "gpus")
    run.tell(point.step)
    with place_of(point.scene, run, point.kind == "node") as place:
        driver = run.start(place.address, place.within)
        try:
            dead = _strike(point, run, driver, place.doomed)
            before = Snapshot(run, dead)
            if driver.poll() is None:
                run.succeeded(driver)
        finally:
            if driver.poll() is None:
                driver.kill()
        run.finish(place.address, place.within)
    relabelled = before.check(run, whole, point.scene)
    run.verified()
    if run.faults:
        run.faults = ""
        run.finish()
        check_end(run, runs["plain"])
        run.verified()
    seconds = round(time.monotonic() - began_at, 2)
    return Cost(len(dead), len(before.committed), before.windows, relabelled, seconds)


def kill_surely(point: KillPoint, runs: UntouchedRuns, folder: Path) -> tuple[KillPoint, Cost]:
    """Kills and resumes; a point that comes too late is moved forward, and what fired is returned.

    Raises:
        AssertionError: Something does not hold, or nothing fired in three runs.
    """
    for number in range(3):
        try:
            return point, kill_and_resume(point, runs, folder / str(number))
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
