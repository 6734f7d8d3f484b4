"""The soak's faults: each is done to something that runs, and may be undone later."""

from __future__ import annotations

import contextlib
import errno
import json
import random
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from soaking.processes import Driver, Nodes, Service, freeze, workers
from soaking.server import FAULTS

Undo = Callable[[], None]


@dataclass
class Victims:
    """What faults are done to.

    Attributes:
        drivers: Of both runs.
        nodes: The cluster.
        teacher: The server that answers windows.
        folder: Where the teacher and the store are told what to do.
        disk: The small disk that one run stands on; None where none could be mounted.
        chance: The source of all choices.
    """

    drivers: list[Driver]
    nodes: Nodes
    teacher: Service
    folder: Path
    disk: Path | None
    chance: random.Random

    def tell(self, name: str, **values: object) -> None:
        """Tells the teacher or the store something, beside what it was told before."""
        path = self.folder / name
        before = json.loads(path.read_text())
        draft = path.with_suffix(".draft")
        draft.write_text(json.dumps({**before, **values}))
        draft.replace(path)


Fault = Callable[[Victims], tuple[str, float, Undo]]


def kill_worker(v: Victims) -> tuple[str, float, Undo]:
    """SIGKILL of a worker."""
    process = v.chance.choice(workers() or [psutil.Process()])
    if process.pid == psutil.Process().pid:
        return "no worker", 0, _nothing
    with contextlib.suppress(psutil.NoSuchProcess):
        process.kill()
    return f"worker {process.pid}", 0, _nothing


def freeze_worker(v: Victims) -> tuple[str, float, Undo]:
    """SIGSTOP of a worker for longer than a stall may last."""
    found = workers()
    if not found:
        return "no worker", 0, _nothing
    process = v.chance.choice(found)
    with contextlib.suppress(psutil.NoSuchProcess):
        freeze(process)
    return f"worker {process.pid}", 0, _nothing


def kill_driver(v: Victims) -> tuple[str, float, Undo]:
    """SIGKILL of a driver; its workers end by themselves."""
    driver = v.chance.choice(v.drivers)
    return driver.name if driver.strike(signal.SIGKILL) else "does not run", 0, _nothing


def stop_driver(v: Victims) -> tuple[str, float, Undo]:
    """SIGTERM of a driver, as a batch system sends it."""
    driver = v.chance.choice(v.drivers)
    return driver.name if driver.strike(signal.SIGTERM) else "does not run", 0, _nothing


def kill_node(v: Victims) -> tuple[str, float, Undo]:
    """SIGKILL of a node with all that runs on it; another joins within a minute."""
    number = v.chance.randrange(2)
    killed = v.nodes.kill(number)
    after = v.chance.uniform(5, 40)
    return f"node {number}, {killed} processes", after, lambda: v.nodes.bring_back(number)


def kill_server(v: Victims) -> tuple[str, float, Undo]:
    """SIGKILL of the teacher's server."""
    v.teacher.kill()
    return "the teacher's server", v.chance.uniform(2, 40), v.teacher.start


def server_fault(v: Victims) -> tuple[str, float, Undo]:
    """Half of the answers go wrong for some seconds."""
    fault, seconds = v.chance.choice(FAULTS), v.chance.uniform(5, 25)
    v.tell("told.json", fault=fault, until=time.time() + seconds)
    return fault, seconds, _nothing


def fill_disk(v: Victims) -> tuple[str, float, Undo]:
    """Not a byte is left on the disk of one run."""
    if v.disk is None:
        return "no small disk here", 0, _nothing
    path = v.disk / "somebody-elses-file"
    written = 0
    with path.open("wb", buffering=0) as file:
        for piece in (b"\0" * 2**20, b"\0" * 4096, b"\0"):
            try:
                while True:
                    written += file.write(piece)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
    return f"{written} bytes", v.chance.uniform(3, 30), lambda: path.unlink(missing_ok=True)


def slow_store(v: Victims) -> tuple[str, float, Undo]:
    """Every piece of an answer of the store comes late."""
    delay = round(v.chance.uniform(0.3, 2.0), 1)
    v.tell("store.json", delay=delay)
    return f"{delay} s", v.chance.uniform(20, 60), lambda: v.tell("store.json", delay=0)


def cutting_store(v: Victims) -> tuple[str, float, Undo]:
    """The store cuts connections."""
    v.tell("store.json", cut=0.3)
    return "3 of 10", v.chance.uniform(5, 30), lambda: v.tell("store.json", cut=0)


def _nothing() -> None:
    pass


# How often each is drawn.
KINDS: Mapping[Fault, int] = {
    kill_worker: 6,
    kill_driver: 3,
    stop_driver: 2,
    kill_node: 3,
    kill_server: 3,
    server_fault: 6,
    fill_disk: 3,
    slow_store: 3,
    cutting_store: 2,
    freeze_worker: 1,
}
