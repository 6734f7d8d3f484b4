"""Two runs labelled for two hours while everything around them fails; then all is checked.

    python benchmarks/soak.py [MINUTES [SEED]]        or: make soak

Two drivers label one run on a small disk, two another run in an S3 store, all on one Ray cluster
with nodes that die. A fault comes every minute or so: workers, nodes, drivers and the server are
killed, answers go wrong, the disk fills up, the store is slow. A driver that ends is started again
by the same command. At the end both runs must be complete, `rankgen verify --full` must find
nothing, every window must be in the teacher's order, and the teacher must have been asked for no
more than 1.02 times the windows of one pass. The log of every fault is written as it goes.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from results_file import RESULTS, write_results
from soaking.faults import KINDS, Fault, Undo, Victims
from soaking.processes import RANKGEN, Driver, Nodes, Service
from soaking.runs import DEPTH, QUERIES_A_MINUTE, WINDOWS_OF_A_QUERY, make_candidates, misordered

DISK_BYTES = 400 * 2**20
# No fault before the first shards, and none while the last ones are finished.
QUIET_START_S, QUIET_END_S = 60.0, 120.0
LOG = RESULTS / "soak.jsonl"


class Soak:
    """One soak.

    Args:
        folder: Where everything but the small disk stands.
        disk: The small disk, if there is one.
        minutes: How long it is to last.
        seed: Of every choice.
    """

    def __init__(self, folder: Path, disk: Path | None, minutes: float, seed: int) -> None:
        self._chance = random.Random(seed)
        self._began, self._seconds = time.time(), minutes * 60
        self.queries = {
            "disk": int(minutes * QUERIES_A_MINUTE * 0.75),
            "store": int(minutes * QUERIES_A_MINUTE * 0.25),
        }
        self.windows = {name: n * WINDOWS_OF_A_QUERY for name, n in self.queries.items()}
        self.folder = folder
        (folder / "answers").touch()
        ends = self._began + self._seconds - QUIET_END_S
        told = {"ends": ends, "windows": sum(self.windows.values())}
        (folder / "told.json").write_text(json.dumps(told))
        (folder / "store.json").write_text('{"delay": 0, "cut": 0}')
        self._teacher = Service("server.py", folder, "/v1/models")
        self._store = Service("slow_store.py", folder, "/")
        self.outs = {"disk": str((disk or folder) / "run"), "store": "s3://soak/run"}
        self._disk = disk
        self._counts: Counter[str] = Counter()
        self.drivers: list[Driver] = []

    def run(self) -> None:
        """Starts everything and does faults until both runs are complete."""
        self._teacher.start()
        self._store.start()
        os.environ["AWS_ENDPOINT_URL"] = self._store.url
        _make_bucket()
        candidates = {
            n: make_candidates(self.folder / f"of-{n}", q) for n, q in self.queries.items()
        }
        from ray.cluster_utils import Cluster

        cluster = Cluster(
            initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False}
        )
        try:
            nodes = Nodes(cluster)
            for name in self.outs:
                self.drivers += [self._driver(name, n, candidates[name], nodes) for n in (1, 2)]
            self._strike_until_done(
                Victims(self.drivers, nodes, self._teacher, self.folder, self._disk, self._chance)
            )
        finally:
            for driver in self.drivers:
                if driver.process is not None:
                    driver.process.kill()
            cluster.shutdown()

    def stop(self) -> None:
        """Ends the teacher and the store."""
        for service in (self._teacher, self._store):
            with contextlib.suppress(AssertionError):
                service.kill()

    def _driver(self, name: str, number: int, candidates: Path, nodes: Nodes) -> Driver:
        command = [str(RANKGEN), "label", "--candidates", str(candidates), "--out", self.outs[name]]
        command += ["--teacher", "listwise", "--engine", "openai", "--model", name]
        command += ["--base-url", f"{self._teacher.url}/v1", "--request-timeout", "60"]
        command += ["--stall-seconds", "90", "--concurrency", "8"]
        command += ["--workers", "2" if name == "disk" else "1"]
        command += ["--shards", str(self.queries[name] // 50), "--ray-address", nodes.address]
        return Driver(f"{name}-{number}", command, self.folder)

    def _strike_until_done(self, victims: Victims) -> None:
        undo: list[tuple[float, str, Undo]] = []
        at = time.time() + QUIET_START_S
        last = self._began + self._seconds - QUIET_END_S
        gives_up = self._began + 1.5 * self._seconds + 600
        while not all(driver.done for driver in self.drivers):
            for driver in self.drivers:
                code = driver.keep_going()
                if code is not None:
                    self._log("driver ended", driver.name, code=code, said=driver.last_line())
            for entry in [entry for entry in undo if time.time() >= entry[0]]:
                undo.remove(entry)
                entry[2]()
                self._log("undone", entry[1])
            busy = {name for _, name, _ in undo}
            if at < time.time() < last:
                at = time.time() + self._chance.uniform(25, 75)
                fault = self._draw(busy)
                target, seconds, back = fault(victims)
                self._log(fault.__name__, target, seconds=round(seconds, 1))
                self._counts[fault.__name__] += 1
                if seconds:
                    undo.append((time.time() + seconds, fault.__name__, back))
            if time.time() > gives_up:
                raise SystemExit("the soak does not end")
            time.sleep(0.5)

    def _draw(self, busy: set[str]) -> Fault:
        """Draws a fault that is not just being done."""
        kinds = {kind: n for kind, n in KINDS.items() if kind.__name__ not in busy}
        return self._chance.choices(list(kinds), list(kinds.values()))[0]

    def _log(self, what: str, target: str, **values: object) -> None:
        line = {"at_s": round(time.time() - self._began, 1), "what": what, "target": target}
        line |= {**values, "answers": sum(self.answers().values())}
        with LOG.open("a") as log:
            log.write(json.dumps(line) + "\n")

    def answers(self) -> Counter[str]:
        """Returns the windows that the teacher computed so far, by run."""
        return Counter((self.folder / "answers").read_text().split())

    def result(self) -> dict[str, object]:
        """Checks both runs and returns what was found."""
        answers = self.answers()
        runs = {}
        for name, out in self.outs.items():
            verified = subprocess.run(
                [str(RANKGEN), "verify", "--full", "--json", out], capture_output=True, text=True
            )
            shown = subprocess.run(
                [str(RANKGEN), "status", "--json", out], capture_output=True, text=True
            )
            runs[name] = {
                "queries": self.queries[name],
                "windows_of_one_pass": self.windows[name],
                "windows_computed": answers[name],
                "cost": round(answers[name] / self.windows[name], 4),
                "verify_exit_code": verified.returncode,
                "verify_problems": json.loads(verified.stdout)["problems"],
                "status": json.loads(shown.stdout),
                "windows_not_in_the_teachers_order": misordered(out, self.queries[name]),
            }
        cost = sum(answers.values()) / sum(self.windows.values())
        return {
            "what": "two label runs under random faults, two drivers each; see the log beside this",
            "minutes": round((time.time() - self._began) / 60, 1),
            "depth": DEPTH,
            "faults": dict(self._counts),
            "small_disk_mounted": self._disk is not None,
            "driver_exit_codes": {driver.name: driver.ends for driver in self.drivers},
            "cost": round(cost, 4),
            "runs": runs,
        }


def main() -> None:
    """Soaks, checks, and writes the result."""
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 120.0
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 20261
    os.environ |= {"SOAK": str(os.getpid()), "AWS_ACCESS_KEY_ID": "somebody"}
    os.environ |= {"AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}
    LOG.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(prefix="soak-") as folder, _small_disk(Path(folder)) as disk:
        soak = Soak(Path(folder), disk, minutes, seed)
        try:
            soak.run()
            result = {"seed": seed, **soak.result()}
        finally:
            soak.stop()
    print(write_results("soak", result))
    runs = result["runs"]
    assert isinstance(runs, dict)
    is_whole = all(
        run["verify_exit_code"] == 0 and not run["windows_not_in_the_teachers_order"]
        for run in runs.values()
    )
    if not is_whole or float(str(result["cost"])) > 1.02:
        raise SystemExit(1)


def _make_bucket() -> None:
    from s3fs import S3FileSystem

    S3FileSystem().mkdir("soak")


@contextlib.contextmanager
def _small_disk(folder: Path) -> Iterator[Path | None]:
    """Mounts a small disk, which only the superuser can; without, no disk gets full."""
    disk = folder / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True).returncode != 0:
        yield None
        return
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


if __name__ == "__main__":
    main()
