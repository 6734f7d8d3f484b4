"""What the soak starts, watches and kills: drivers, the Ray cluster, the teacher and the store."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from ray.cluster_utils import Cluster

HERE = Path(__file__).parent
RANKGEN = Path(sys.executable).with_name("rankgen")
NODES, NODE_CPUS = 2, 5


def free_port() -> int:
    """Returns a port that nobody listens at."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


class Service:
    """A script of this folder that listens at a port, and can be killed and started again.

    Args:
        script: Its file name.
        folder: What it is told to work in.
        path: Asked for until it answers.
    """

    def __init__(self, script: str, folder: Path, path: str) -> None:
        self.port = free_port()
        self._command = [sys.executable, str(HERE / script), str(self.port), str(folder)]
        self._log = folder / f"{script}.log"
        self._path = path
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Starts it and waits for its first answer."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        for _ in range(600):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(self.url + self._path, timeout=5)
                return
            time.sleep(0.1)
        raise TimeoutError(f"{self._command} does not answer: {self._log.read_text()[-500:]}")

    def kill(self) -> None:
        """Ends it at once."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()


@dataclass
class Driver:
    """One of the commands that label a run, repeated whenever it ends without having finished.

    Attributes:
        name: Of its log.
        command: What is typed.
        folder: Where its log stands.
        ends: How often it ended with which exit code; a kill is minus the signal.
        done: Whether it has ended with exit code 0.
    """

    name: str
    command: list[str]
    folder: Path
    ends: dict[int, int] = field(default_factory=dict)
    done: bool = False
    process: subprocess.Popen[bytes] | None = None
    start_at: float = 0.0

    def keep_going(self) -> int | None:
        """Starts it where it does not run; returns its exit code if it has just ended."""
        if self.process is not None:
            code = self.process.poll()
            if code is None:
                return None
            self.process = None
            self.ends[code] = self.ends.get(code, 0) + 1
            self.done = code == 0
            self.start_at = time.monotonic() + 5
            return code
        if not self.done and time.monotonic() >= self.start_at:
            with (self.folder / f"{self.name}.log").open("ab") as log:
                self.process = subprocess.Popen(self.command, stdout=log, stderr=log)
        return None

    def strike(self, number: int) -> bool:
        """Sends a signal; False if it does not run."""
        if self.process is None or self.process.poll() is not None:
            return False
        self.process.send_signal(number)
        return True

    def last_line(self) -> str:
        """Returns what it said last."""
        lines = (self.folder / f"{self.name}.log").read_text(errors="replace").splitlines()
        said = [line for line in lines if '"error"' in line or line.startswith("Error")]
        return said[-1][:300] if said else ""


class Nodes:
    """A Ray cluster: a head without room for workers, and nodes that die and come back.

    Args:
        cluster: The cluster with its head.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._nodes = [self._add() for _ in range(NODES)]

    @property
    def address(self) -> str:
        """What drivers are told."""
        return str(self._cluster.address)

    def _add(self) -> list[int]:
        node = self._cluster.add_node(num_cpus=NODE_CPUS)
        return [info.process.pid for infos in node.all_processes.values() for info in infos]

    def kill(self, number: int) -> int:
        """Kills a node with all that runs on it; returns how many processes that were."""
        family = [psutil.Process(pid) for pid in self._nodes[number] if psutil.pid_exists(pid)]
        family += [child for parent in family for child in parent.children(recursive=True)]
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        return len(family)

    def bring_back(self, number: int) -> None:
        """Adds a node in the place of one that was killed."""
        self._nodes[number] = self._add()


def workers() -> list[psutil.Process]:
    """Returns the workers that live now."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        said = process.info["cmdline"] or [""]
        if said[0].startswith("ray::ShardWorker") and is_of_this_soak(process):
            found.append(process)
    return found


def is_of_this_soak(process: psutil.Process) -> bool:
    """Says whether a process was started by this one; others may use Ray here too."""
    with contextlib.suppress(psutil.Error):
        return os.environ["SOAK"] == process.environ().get("SOAK")
    return False


def freeze(process: psutil.Process) -> None:
    """Stops a process, which then neither works nor dies."""
    process.send_signal(signal.SIGSTOP)
