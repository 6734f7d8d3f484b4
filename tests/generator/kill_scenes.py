"""What else goes wrong in a run that is killed, and where it runs: the scenes of the kill storm."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest
from killed_runs import LATENCY_S, KillableRun, answered, make_candidates, promised, published
from processes import wait_until

from rankgen.generator.shards.ray_start import _patient_start

if TYPE_CHECKING:
    from ray.cluster_utils import Cluster

SceneName = Literal[
    "plain",
    "quarantined",
    "bisected",
    "retried",
    "container",
    "gpus",
    "unmounted run",
    "unmounted candidates",
]
CGROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Scene:
    """What goes wrong beside the kill.

    Attributes:
        faults: Of the teacher's script: queries that fail, or that end their worker.
        is_retry: The run with the faults has ended; it is its repetition without them that dies.
        latency_s: Seconds that each window takes.
    """

    faults: str = ""
    is_retry: bool = False
    latency_s: float = LATENCY_S


SCENES: dict[SceneName, Scene] = {
    "plain": Scene(),
    "quarantined": Scene(",fail=q03+q11,raise=q17"),
    "bisected": Scene(",die=q07"),
    # One window at a time of each query: there are few.
    "retried": Scene(",fail=q03+q11+q20,raise=q17", is_retry=True, latency_s=5 * LATENCY_S),
    "container": Scene(),
    "gpus": Scene(latency_s=5 * LATENCY_S),
    # A worker looks for the run's folder for ten seconds.
    "unmounted run": Scene(latency_s=15 * LATENCY_S),
    "unmounted candidates": Scene(latency_s=5 * LATENCY_S),
}


# The folder that one of the nodes does not see.
HIDDEN: dict[SceneName, Callable[[KillableRun], Path]] = {
    "unmounted run": lambda run: run.out,
    "unmounted candidates": lambda run: run.candidates,
}


@dataclass(frozen=True)
class Untouched:
    """The run that nobody kills.

    Attributes:
        candidates: What it labels.
        windows: How many windows its teacher was asked for, those of faulty queries aside.
        shards: The bytes of its shards.
        answered: What they hold beside failed calls.
        promised: What its manifest says of the result.
        steps: How often each (role, step) happened.
    """

    candidates: Path
    windows: int
    shards: dict[str, bytes]
    answered: dict[str, object]
    promised: dict[str, object]
    steps: Counter[tuple[str, str]]


class UntouchedRuns:
    """The untouched run of every scene, made when it is first asked for.

    Args:
        folder: Where they stand.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._candidates = make_candidates(folder / "candidates")
        self._known: dict[Scene, Untouched] = {}

    def __getitem__(self, name: SceneName) -> Untouched:
        """Returns that of a scene; where it runs changes nothing."""
        scene = Scene(SCENES[name].faults, SCENES[name].is_retry)
        if scene not in self._known:
            self._known[scene] = self._made(scene, self._folder / name)
        return self._known[scene]

    def _made(self, scene: Scene, folder: Path) -> Untouched:
        run = begun(scene, folder, self._candidates)
        run.tell(trace=True)
        run.finish()
        windows = [window for _, window in run.asked()]
        assert "die=" in scene.faults or len(windows) == len(set(windows)) > 0
        return Untouched(
            self._candidates,
            len(set(windows)),
            published(run.out),
            answered(run.out),
            promised(run.out),
            run.all_steps(),
        )


def begun(scene: Scene, folder: Path, candidates: Path, gpus: bool = False) -> KillableRun:
    """Returns a run that is to be killed; in a retry its first command has ended already."""
    run = KillableRun(folder, candidates, scene.latency_s, scene.faults, gpus)
    if scene.is_retry:
        run.finish()
        run.faults = ""
    return run


@dataclass(frozen=True)
class Place:
    """Where a run is started.

    Attributes:
        address: A cluster's, or None for this machine.
        within: A command that runs the one that follows it in a container.
        doomed: The first process of the node that is to die; None for none.
    """

    address: str | None = None
    within: Sequence[str] = ()
    doomed: int | None = None


@contextlib.contextmanager
def place_of(scene: SceneName, run: KillableRun, has_doomed_node: bool) -> Iterator[Place]:
    """Makes the place of a scene."""
    if scene == "container":
        with container_of_one_cpu() as within:
            yield Place(within=within)
    elif scene in ("gpus", *HIDDEN) or has_doomed_node:
        with _cluster(run, gpus=scene == "gpus") as cluster, contextlib.ExitStack() as nodes:
            node = _added(cluster, 1) if has_doomed_node or scene == "gpus" else None
            if scene in HIDDEN:
                nodes.enter_context(_blind_node(cluster, HIDDEN[scene](run), run))
            yield Place(cluster.address, doomed=node if has_doomed_node else None)
    else:
        yield Place()


@contextlib.contextmanager
def container_of_one_cpu() -> Iterator[list[str]]:
    """Yields a command that runs another one with the cgroup of a container of one CPU.

    As in a container the kernel holds the processes to that CPU and they see their own cgroup
    alone; Python still counts the machine's CPUs.
    """
    v1 = (CGROUPS / "cpu").is_dir()
    root = CGROUPS / "cpu" if v1 else CGROUPS
    limit = ("cpu.cfs_quota_us", "100000") if v1 else ("cpu.max", "100000 100000")
    box = root / f"one-cpu-{uuid.uuid4().hex[:8]}"
    try:
        box.mkdir()
    except OSError:
        pytest.skip(f"{root} cannot be changed here: containers with one CPU were not tested")
    try:
        (box / limit[0]).write_text(limit[1])
        script = 'echo $$ > "$1/cgroup.procs" && mount --bind "$1" "$2" && shift 2 && exec "$@"'
        yield [*_OWN_MOUNTS, "sh", "-c", script, "sh", str(box), str(root)]
    finally:
        wait_until(lambda: not (box / "cgroup.procs").read_text(), f"processes live on in {box}")
        box.rmdir()


_OWN_MOUNTS = ("unshare", "--mount", "--propagation", "private")


@contextlib.contextmanager
def _blind_node(cluster: Cluster, hidden: Path, run: KillableRun) -> Iterator[None]:
    """Adds a node to a cluster that sees an empty folder where `hidden` stands for the others."""
    hidden.mkdir(exist_ok=True)
    script = 'mount -t tmpfs tmpfs "$1" && shift && exec "$@"'
    ray = [str(Path(sys.executable).with_name("ray")), "start", "--block", "--num-cpus=1"]
    command = [*_OWN_MOUNTS, "sh", "-c", script, "sh", str(hidden), *ray]
    command += [f"--address={cluster.address}"]
    variables = {**run.environment(), "RAY_USAGE_STATS_ENABLED": "0"}
    with tempfile.NamedTemporaryFile() as log:
        # The patience of `_cluster` does not reach into another process.
        for _ in range(3):
            node = subprocess.Popen(
                command, env=variables, stdout=log, stderr=log, start_new_session=True
            )
            try:
                if _joins(cluster, node):
                    yield
                    return
            finally:
                node.terminate()
                node.wait()
        raise AssertionError(f"the blind node did not start: {Path(log.name).read_text()}")


def _joins(cluster: Cluster, node: subprocess.Popen[bytes]) -> bool:
    def nodes() -> int:
        return sum(node["Alive"] for node in cluster.global_state.node_table())

    before = nodes()
    wait_until(lambda: nodes() > before or node.poll() is not None, "no blind node")
    return node.poll() is None


@contextlib.contextmanager
def _cluster(run: KillableRun, gpus: bool) -> Iterator[Cluster]:
    from ray.cluster_utils import Cluster

    before = dict(os.environ)
    os.environ.update(run.environment())
    head = {"num_cpus": 1, "num_gpus": int(gpus), "include_dashboard": False}
    try:
        # On a busy machine Ray's nodes take longer than the 30 s that it allows them.
        with _patient_start():
            cluster = Cluster(initialize_head=True, head_node_args=head)
            try:
                yield cluster
            finally:
                cluster.shutdown()
    finally:
        os.environ.clear()
        os.environ.update(before)


def _added(cluster: Cluster, gpus: int) -> int:
    node = cluster.add_node(num_cpus=1, num_gpus=gpus)
    (raylet,) = node.all_processes["raylet"]
    process: int = raylet.process.pid
    return process
