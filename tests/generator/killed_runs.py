"""Label runs in processes of their own, killed and resumed, and what can be seen of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rankgen.manifests.commit_record import CommitRecord
from rankgen.manifests.ledger import Ledger
from rankgen.manifests.plan import read_plan
from rankgen.manifests.records import Candidates, Document, Query
from rankgen.manifests.run_directory import RunDirectory
from rankgen.manifests.schema import TABLES
from rankgen.manifests.shard import write_shard
from rankgen.manifests.texts import write_documents, write_queries
from rankgen.retrieval.candidate_rows import candidate_table

KILLABLE = Path(__file__).with_name("killable")
RANKGEN = Path(sys.executable).with_name("rankgen")
WORKERS, CONCURRENCY, SHARDS = 2, 3, 6
LATENCY_S = 0.03
PATIENCE_S = 120.0


def make_candidates(root: Path) -> Path:
    """Writes 24 queries with 20 candidates each: with windows of 8 by 4, chains of four windows."""
    run = RunDirectory(root)
    queries = [Query(f"q{n:02}", f"query {n}") for n in range(24)]
    found = [
        Candidates(
            query.query_id,
            tuple(f"d{(7 * number + 3 * i) % 60}" for i in range(20)),
            tuple(float(20 - i) for i in range(20)),
        )
        for number, query in enumerate(queries)
    ]
    write_shard(run.shard_path("candidates", 0, 1), "candidates", candidate_table(found), "f")
    write_queries(run, queries, "f")
    write_documents(run, [Document(f"d{n}", "", f"passage {n}") for n in range(60)], "f")
    return root


def label_command(candidates: Path, out: Path, latency_s: float = LATENCY_S) -> list[str]:
    """Returns the command that labels, and that resumes when it is repeated."""
    command = [str(RANKGEN), "label", "--candidates", str(candidates), "--out", str(out)]
    command += ["--teacher", f"scripted:hash,latency={latency_s}", "--window", "8", "--stride", "4"]
    command += ["--shards", str(SHARDS), "--workers", str(WORKERS)]
    return [*command, "--concurrency", str(CONCURRENCY)]


def published(out: Path) -> dict[str, bytes]:
    """Returns the bytes of every published shard by its name."""
    run = RunDirectory(out)
    paths = [path for table in TABLES for path in run.shard_paths(table)]
    return {str(path.relative_to(out)): path.read_bytes() for path in paths}


@dataclass(frozen=True)
class StepToDieAt:
    """A step in the run's folder, as `killable/sitecustomize.py` names it.

    Attributes:
        role: "driver" or "worker".
        step: The step, such as "link .rankgen/commits/N.0.json"; the process dies just before it.
        occurrence: Which of the steps of that name in one process, from 1.
        torn: Whether a file loses its second half where the step is to sync it.
    """

    role: str
    step: str
    occurrence: int
    torn: bool


class KillableRun:
    """One run, started as a user starts it but for an environment that lets it be watched.

    Args:
        folder: Where everything of it stands.
        candidates: The folder of the candidates.
        step: Where it kills itself; None leaves that to others.
        trace: Whether all its steps are written down.
        latency_s: Seconds that each window takes.
    """

    def __init__(
        self,
        folder: Path,
        candidates: Path,
        step: StepToDieAt | None = None,
        trace: bool = False,
        latency_s: float = LATENCY_S,
    ) -> None:
        folder.mkdir(parents=True)
        self.out = folder / "run"
        self.marker, self.calls = folder / "fired", folder / "calls"
        self.processes, self.steps = folder / "processes", folder / "steps"
        self._log, self._told = folder / "log", folder / "told.json"
        self._command = label_command(candidates, self.out, latency_s)
        point = step or StepToDieAt("", "", 0, False)
        told = {"root": str(self.out), "marker": str(self.marker), "calls": str(self.calls)}
        told |= {"processes": str(self.processes), "steps": str(self.steps) if trace else ""}
        self._told.write_text(json.dumps(told | vars(point)))

    def environment(self) -> dict[str, str]:
        """Returns the environment in which every Python process listens."""
        path = os.pathsep.join(filter(None, (str(KILLABLE), os.environ.get("PYTHONPATH"))))
        return {**os.environ, "PYTHONPATH": path, "KILL_POINT": str(self._told)}

    def start(self, address: str | None = None) -> subprocess.Popen[bytes]:
        """Starts `rankgen label`; the same command again resumes."""
        command = [*self._command, *([] if address is None else ["--ray-address", address])]
        with self._log.open("ab") as log:
            return subprocess.Popen(
                command, env=self.environment(), stdout=log, stderr=log, start_new_session=True
            )

    def finish(self, address: str | None = None) -> None:
        """Runs the command to its end.

        Raises:
            AssertionError: Its exit code is not 0.
        """
        self.succeeded(self.start(address))

    def succeeded(self, driver: subprocess.Popen[bytes]) -> None:
        """Waits for a driver's end, which must be exit code 0."""
        code = driver.wait(PATIENCE_S)
        assert code == 0, f"exit code {code}: {self._log.read_text()}"

    def asked(self) -> list[tuple[int, str]]:
        """Returns (process, window) for every window that the teacher was asked for so far."""
        lines = self.calls.read_text().splitlines() if self.calls.exists() else []
        return [(int(process), key) for process, _, key in (x.partition(" ") for x in lines)]

    def role_processes(self, role: str) -> list[int]:
        """Returns the processes of a role that ever started."""
        lines = self.processes.read_text().splitlines() if self.processes.exists() else []
        return [int(line.split()[0]) for line in lines if line.endswith(" " + role)]

    def all_steps(self) -> Counter[tuple[str, str]]:
        """Returns how often each (role, step) happened, over all processes."""
        pairs = (line.split("\t") for line in self.steps.read_text().splitlines())
        return Counter((role, step) for role, step in pairs)

    def records(self) -> dict[int, CommitRecord]:
        """Returns the commits."""
        run = RunDirectory(self.out)
        if not run.plan.exists():
            return {}
        plan = read_plan(run)
        return Ledger(run, plan.fingerprint, plan.shards, plan.tables).records()

    def journalled(self, shard: int, process: int | None = None) -> set[str]:
        """Returns the keys of the whole lines in a shard's journal, of one writer or of all."""
        writer = "*" if process is None else f"*-{process}-*"
        keys: set[str] = set()
        for path in RunDirectory(self.out).journal_of(shard).glob(f"{writer}.jsonl"):
            *lines, _ = path.read_bytes().split(b"\n")
            keys |= {json.loads(line.partition(b" ")[2])["key"] for line in lines}
        return keys

    def verified(self) -> None:
        """Runs `rankgen verify --full`, which must find nothing."""
        command = [str(RANKGEN), "verify", "--full", "--json", str(self.out)]
        found = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)
        assert found.returncode == 0, found.stdout + found.stderr
        assert json.loads(found.stdout)["problems"] == []


def alive(process: int) -> bool:
    """Says whether a process runs; one that only waits to be buried does not."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Looks every few milliseconds.

    Raises:
        TimeoutError: It did not come.
    """
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        time.sleep(0.005)


def kill(process: int) -> None:
    """Sends SIGKILL and waits for the death."""
    os.kill(process, signal.SIGKILL)
    wait_until(lambda: not alive(process), f"process {process} does not die")


def descendants(process: int) -> list[int]:
    """Returns the processes that a process started, and those that they started."""
    children = [
        int(entry.name)
        for entry in Path("/proc").iterdir()
        if entry.name.isdecimal() and _parent(entry) == process
    ]
    return [*children, *(grandchild for child in children for grandchild in descendants(child))]


def _parent(entry: Path) -> int | None:
    try:
        return int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return None
