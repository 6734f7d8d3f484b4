"""Label runs in processes of their own, killed and resumed, and what can be seen of them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from made_up_candidates import write_overlapping
from processes import PATIENCE_S

from rankgen.manifests.records import Query
from rankgen.manifests.run.commit_record import CommitRecord
from rankgen.manifests.run.ledger import Ledger
from rankgen.manifests.run.plan import read_plan
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.schema import TABLES

KILLABLE = Path(__file__).with_name("killable")
RANKGEN = Path(sys.executable).with_name("rankgen")
WORKERS, CONCURRENCY, SHARDS = 2, 3, 6
LATENCY_S = 0.03


def make_candidates(root: Path) -> Path:
    write_overlapping(RunDirectory(root), [Query(f"q{n:02}", f"query {n}") for n in range(24)])
    return root


def label_command(
    candidates: Path, out: Path, latency_s: float = LATENCY_S, faults: str = ""
) -> list[str]:
    """Returns the command that labels, and that resumes when it is repeated.

    Args:
        candidates: The folder of the candidates.
        out: The run's folder.
        latency_s: Seconds that each window takes.
        faults: Of the teacher's script, such as ",fail=q03"; so many failed queries are tolerated.
    """
    command = [str(RANKGEN), "label", "--candidates", str(candidates), "--out", str(out)]
    command += ["--teacher", f"scripted:hash,latency={latency_s}{faults}"]
    command += ["--window", "8", "--stride", "4", "--concurrency", str(CONCURRENCY)]
    command += ["--shards", str(SHARDS), "--workers", str(WORKERS)]
    return [*command, "--max-failed", str(len(faulty_queries(faults)))]


def faulty_queries(faults: str) -> list[str]:
    """Returns the queries that a script's faults name."""
    return re.findall(r"q\d\d", faults)


def published(out: Path) -> dict[str, bytes]:
    """Returns the bytes of every published shard by its name."""
    run = RunDirectory(out)
    paths = [path for table in TABLES for path in run.shard_paths(table)]
    return {str(path.relative_to(out)): path.read_bytes() for path in paths}


def answered(out: Path) -> dict[str, object]:
    """Returns what a run publishes beside its failed calls, whose number depends on the kills."""
    run = RunDirectory(out)
    windows = run.read("windows")
    whole = windows.filter(windows["permutation"].is_valid()).drop_columns(["attempt"])
    others = {name: held for name, held in published(out).items() if "windows/" not in name}
    return {**others, "windows": whole.to_pylist()}


def without_failed_calls(promise: dict[str, object]) -> dict[str, object]:
    """Returns what `promised` says, but for what counts failed calls."""
    subject, counts = promise["subject"], promise["counts"]
    assert isinstance(subject, list)
    assert isinstance(counts, dict)
    files = [file for file in subject if "windows/" not in file["name"]]
    left = {name: n for name, n in counts.items() if name not in ("calls", "failed_calls")}
    return {**promise, "subject": files, "counts": left}


def promised(out: Path) -> dict[str, object]:
    """Returns what a run's manifest says of the result: files, counts and what is not there."""
    manifest = json.loads((out / "manifest.json").read_text())
    predicate = {name: manifest["predicate"][name] for name in ("counts", "quarantined", "queries")}
    # Of a query that ended its workers the reason holds how often; a kill counts too.
    predicate["quarantined"] = {
        query: None if reason.startswith("its worker died") else reason
        for query, reason in predicate["quarantined"].items()
    }
    return {"subject": manifest["subject"], **predicate}


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


class Call(NamedTuple):
    """A window that the teacher was asked for.

    Attributes:
        process: Who was asked.
        gpus: The numbers of the GPUs that Ray shows that process; "-" for none.
        query_id: The query.
        window: Names the query with its passages in order.
    """

    process: int
    gpus: str
    query_id: str
    window: str


class KillableRun:
    """One run, started as a user starts it but for an environment that lets it be watched.

    Args:
        folder: Where everything of it stands.
        candidates: The folder of the candidates.
        latency_s: Seconds that each window takes.
        faults: Of the teacher's script; see `label_command`.
        gpus: Whether its workers reserve GPUs as those of an engine do.
    """

    def __init__(
        self,
        folder: Path,
        candidates: Path,
        latency_s: float = LATENCY_S,
        faults: str = "",
        gpus: bool = False,
    ) -> None:
        folder.mkdir(parents=True)
        self.out, self.candidates = folder / "run", candidates
        self.marker, self.calls = folder / "fired", folder / "calls"
        self.processes, self.steps = folder / "processes", folder / "steps"
        self._log, self._told = folder / "log", folder / "told.json"
        self._latency_s, self.faults, self._gpus = latency_s, faults, gpus
        self.has_failed_calls = faults != ""
        self.tell()

    def tell(self, step: StepToDieAt | None = None, trace: bool = False) -> None:
        """Forgets what was seen so far and says what comes.

        Args:
            step: Where a process kills itself; None leaves that to others.
            trace: Whether all steps are written down.
        """
        for seen in (self.calls, self.steps, self.processes):
            seen.unlink(missing_ok=True)
        told = {"root": str(self.out), "marker": str(self.marker), "calls": str(self.calls)}
        told |= {"processes": str(self.processes), "steps": str(self.steps) if trace else ""}
        point = step or StepToDieAt("", "", 0, False)
        self._told.write_text(json.dumps({**told, "gpus": self._gpus, **vars(point)}))

    def environment(self) -> dict[str, str]:
        """Returns the environment in which every Python process listens."""
        path = os.pathsep.join(filter(None, (str(KILLABLE), os.environ.get("PYTHONPATH"))))
        return {**os.environ, "PYTHONPATH": path, "KILL_POINT": str(self._told)}

    def start(
        self, address: str | None = None, within: Sequence[str] = ()
    ) -> subprocess.Popen[bytes]:
        """Starts `rankgen label`; the same command again resumes.

        Args:
            address: A cluster.
            within: A command that runs the one that follows it in a container.
        """
        command = label_command(self.candidates, self.out, self._latency_s, self.faults)
        command = [*within, *command, *([] if address is None else ["--ray-address", address])]
        with self._log.open("ab") as log:
            return subprocess.Popen(
                command, env=self.environment(), stdout=log, stderr=log, start_new_session=True
            )

    def finish(self, address: str | None = None, within: Sequence[str] = ()) -> None:
        """Runs the command to its end; see `start`.

        Raises:
            AssertionError: Its exit code is not 0.
        """
        self.succeeded(self.start(address, within))

    def succeeded(self, driver: subprocess.Popen[bytes]) -> None:
        """Waits for a driver's end, which must be exit code 0."""
        code = driver.wait(PATIENCE_S)
        assert code == 0, f"exit code {code}: {self._log.read_text()}"

    def calls_so_far(self) -> list[Call]:
        """Returns what the teacher was asked for so far."""
        lines = self.calls.read_text().splitlines() if self.calls.exists() else []
        return [Call(int(process), *rest) for process, *rest in (x.split(" ") for x in lines)]

    def asked(self) -> list[tuple[int, str]]:
        """Returns (process, window) of every call for a query that has no fault."""
        faulty = faulty_queries(self.faults)
        return [(x.process, x.window) for x in self.calls_so_far() if x.query_id not in faulty]

    def events(self) -> list[dict[str, object]]:
        """Returns what the drivers noted, one driver after the other."""
        logs = sorted(RunDirectory(self.out).events.iterdir(), key=lambda log: log.stat().st_mtime)
        return [json.loads(line) for log in logs for line in log.read_text().splitlines()]

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
