"""A run that is watched from other processes: its workers, its metrics, its driver's death."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from faulty_server import Reply, Server, answer, serving
from prometheus_client.parser import text_string_to_metric_families
from test_ray_clusters import free_port
from typer.testing import CliRunner

from rankgen.generator.cli import app
from rankgen.manifests.records import Candidates, Document, Query
from rankgen.manifests.run.candidate_rows import candidate_table
from rankgen.manifests.run.driver_report import DriverReport, WorkerReport, write_report
from rankgen.manifests.run.plan import Plan, digest_of_queries, open_plan
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.run.texts import write_documents, write_queries
from rankgen.manifests.storage.shard import write_shard

pytest.importorskip("openai")
pytestmark = pytest.mark.timeout(900)

RANKGEN = str(Path(sys.executable).with_name("rankgen"))
QUERIES, PASSAGES = 24, 6
# Every third one gets no answer that is one.
BAD = {f"q{n:02}" for n in range(0, QUERIES, 3)}
TOO_MANY = Reply(429, '{"error": {"message": "slowly"}}', (("Retry-After", "0.2"),))


@dataclass
class Teacher:
    """A server that refuses one request, answers a few, and then waits to be let on."""

    quick: int
    go_on: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)
    asked: int = 0

    def __call__(self, request: dict[str, object], seen: int) -> Reply:
        content = json.dumps(request["messages"])
        with self.lock:
            self.asked += 1
            number = self.asked
        if number == 5:
            return TOO_MANY
        if any(f"query {query}" in content for query in BAD):
            return answer("I would rather not say.")
        if number > self.quick:
            self.go_on.wait(120)
        return answer(" > ".join(f"[{i}]" for i in range(PASSAGES, 0, -1)))


@pytest.fixture(scope="module")
def candidates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = RunDirectory(tmp_path_factory.mktemp("candidates"))
    asked = [Query(f"q{n:02}", f"query q{n:02}") for n in range(QUERIES)]
    ids = tuple(f"d{n}" for n in range(PASSAGES))
    scores = tuple(float(-n) for n in range(PASSAGES))
    found = [Candidates(query.query_id, ids, scores) for query in asked]
    write_shard(run.shard_path("candidates", 0, 1), "candidates", candidate_table(found), "f")
    write_queries(run, asked, "f")
    write_documents(run, [Document(doc_id, "", f"passage {doc_id}") for doc_id in ids], "f")
    return run.root


@dataclass(frozen=True)
class Watched:
    """A run whose driver is another process, and where its metrics are."""

    command: list[str]
    out: Path
    url: str
    file: Path
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self) -> subprocess.Popen[bytes]:
        with (self.out.parent / "driver.log").open("ab") as log:
            self.started.append(subprocess.Popen(self.command, stdout=log, stderr=log))
        return self.started[-1]

    def status(self) -> dict[str, Any]:
        shown = CliRunner().invoke(app, ["status", "--json", str(self.out)])
        return json.loads(shown.stdout) if shown.exit_code == 0 else {"drivers": [], "workers": []}

    def workers(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.status()["workers"]
        return found

    def metrics(self) -> dict[str, dict[tuple[str, ...], float]]:
        with urllib.request.urlopen(self.url, timeout=10) as answered:
            return values_of(answered.read().decode())

    def written(self) -> dict[str, dict[tuple[str, ...], float]]:
        return values_of(self.file.read_text()) if self.file.exists() else {}


def values_of(text: str) -> dict[str, dict[tuple[str, ...], float]]:
    """Returns sample name -> its labels' values but run and kind -> value."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = {k: v for k, v in sample.labels.items() if k not in ("run", "kind", "node")}
            found.setdefault(sample.name, {})[tuple(labels.values())] = sample.value
    return found


@pytest.fixture
def teacher() -> Iterator[tuple[Teacher, Server]]:
    behaves = Teacher(quick=10)
    with serving(behaves) as server:
        yield behaves, server
        behaves.go_on.set()


@pytest.fixture
def watched(candidates: Path, tmp_path: Path, teacher: tuple[Teacher, Server]) -> Iterator[Watched]:
    out, port, file = tmp_path / "run", free_port(), tmp_path / "rankgen.prom"
    command = [RANKGEN, "label", "--candidates", str(candidates), "--out", str(out)]
    command += ["--teacher", "listwise", "--model", "m", "--tokenizer", "rankzephyr"]
    command += ["--base-url", teacher[1].url, "--workers", "1", "--concurrency", "2"]
    command += ["--shards", "8", "--max-failed", str(len(BAD))]
    command += ["--metrics-port", str(port), "--metrics-file", str(file)]
    run = Watched(command, out, f"http://127.0.0.1:{port}/metrics", file)
    yield run
    for driver in run.started:
        driver.kill()
        driver.wait()


def until(holds: Callable[[], object], what: str, seconds: float = 300.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, what
        time.sleep(0.2)


def in_flight(run: Watched) -> bool:
    """Says whether the worker is seen to wait for as many answers as it may."""
    waiting = [worker["gauges"].get("server_requests_in_flight") for worker in run.workers()]
    return waiting == [2]


def test_a_run_is_watched_while_its_driver_works_dies_and_is_followed_by_another(
    watched: Watched, teacher: tuple[Teacher, Server]
) -> None:
    driver = watched.start()
    until(lambda: in_flight(watched), "no worker was seen to wait for the server")
    # So that a report is written in which the failure is known, too.
    until(lambda: any(worker["last_error"] for worker in watched.workers()), "no error was seen")

    found = watched.status()
    (seen,), workers = found["drivers"], found["workers"]
    assert (found["state"], seen["state"], seen["unit"]) == ("running", "working", "windows")
    assert seen["driver"] == f"{socket.gethostname()}-{driver.pid}"
    assert seen["done"] == sum(each["done"] for each in workers) > 0
    (worker,) = workers
    assert re.fullmatch(rf"{re.escape(socket.gethostname())}-\d+", worker["worker"])
    assert re.fullmatch(r"[\d.]+", worker["node"])
    assert worker["state"] == "working"
    assert 1 <= len(set(worker["shards"])) == len(worker["shards"])
    assert worker["silent_seconds"] >= 0
    assert re.match(r"query (q\d\d): .*the answer holds no ranking", worker["last_error"])
    assert worker["last_error"][6:9] in BAD

    values = watched.metrics()
    assert values["rankgen_queries_planned"] == {(): QUERIES}
    assert values["rankgen_workers"][("working",)] == 1
    assert values["rankgen_workers"][("waiting",)] == 0
    assert values["rankgen_windows_total"][()] >= seen["done"]
    assert values["rankgen_rate_limit_pauses_total"] == {(): 1}
    # Seven and three an answer, of those that were no use too.
    answers = values["rankgen_prompt_tokens_total"][()] / 7
    assert values["rankgen_completion_tokens_total"] == {(): 3 * answers}
    assert values["rankgen_windows_total"][()] < answers
    assert values["rankgen_server_requests_in_flight"] == {(worker["worker"],): 2}
    assert values["rankgen_worker_silent_seconds"].keys() == {(worker["worker"],)}
    planned = {"rankgen_queries_planned": {(): QUERIES}}
    # The first file may have been written before there was a run to tell of.
    until(lambda: planned.items() <= watched.written().items(), "no metrics in the file")

    driver.send_signal(signal.SIGKILL)
    driver.wait()
    dead = watched.status()
    (seen,) = dead["drivers"]
    assert seen["state"] == "died"
    assert str(dead["state"]).startswith("unfinished")
    shown = CliRunner().invoke(app, ["status", str(watched.out)]).stdout
    assert re.search(rf"driver   \S+-{driver.pid}: died, or cannot reach", shown)

    second = watched.start()
    until(lambda: in_flight(watched), "no second driver")
    until(
        lambda: (
            [d["driver"].split("-")[-1] for d in watched.status()["drivers"]] == [str(second.pid)]
        ),
        "the second driver's report is not the only one",
    )
    watcher = subprocess.Popen(
        [RANKGEN, "status", "--watch", str(watched.out)], stdout=subprocess.PIPE, text=True
    )
    assert watcher.stdout is not None
    first = watcher.stdout.readline()
    teacher[0].go_on.set()
    assert second.wait(120) == 0
    lines, _ = watcher.communicate(timeout=60)
    assert watcher.returncode == 0
    told = [json.loads(line) for line in (first, *lines.splitlines())]
    assert [line["finished"] for line in told] == [False] * (len(told) - 1) + [True]
    assert [d["driver"] for d in told[0]["drivers"]] == [f"{socket.gethostname()}-{second.pid}"]
    assert (told[-1]["published"], set(told[-1]["quarantined"])) == (
        QUERIES - len(BAD),
        BAD,
    )
    # The dead one's report has gone, and the last metrics stay in the file.
    (left,) = RunDirectory(watched.out).progress.iterdir()
    assert left.name == f"{socket.gethostname()}-{second.pid}.json"
    last = watched.written()
    assert last["rankgen_queries_done"] == {(): QUERIES - len(BAD)}
    assert last["rankgen_queries_failed"] == {(): len(BAD)}
    assert last["rankgen_workers"][("working",)] == 0


@pytest.fixture
def begun(tmp_path: Path) -> RunDirectory:
    """A run with a plan, and with a driver on another machine."""
    queries = [Query("q", "text")]
    plan = Plan(
        kind="label",
        tables=("rankings",),
        recipe={},
        settings={},
        shards=1,
        queries=1,
        queries_sha256=digest_of_queries(queries),
    )
    run = RunDirectory(tmp_path / "run")
    open_plan(run, plan, queries)
    worker = WorkerReport("gpu1-11", "10.0.0.1", "working", (0,), 90, 12.345, 1.0)
    report = DriverReport("head-7", "label", "windows", "working", 0.0, 0.0, 600.0, (worker,))
    write_report(run, report)
    return run


@pytest.mark.parametrize("is_terminal", [True, False])
def test_watching_ends_without_a_word_when_it_is_interrupted(
    begun: RunDirectory, is_terminal: bool
) -> None:
    ours, its = pty.openpty() if is_terminal else os.pipe()
    watcher = subprocess.Popen(
        [RANKGEN, "status", "--watch", str(begun.root)],
        stdout=its,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "COLUMNS": "150", "LINES": "40"},
        # A process that was started in the background of a shell ignores the signal.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    os.close(its)
    shown = b""
    while b"12.3" not in shown:
        shown += os.read(ours, 4096)
    watcher.send_signal(signal.SIGINT)
    _, said = watcher.communicate(timeout=60)
    os.close(ours)
    assert (watcher.returncode, said) == (130, "")
    if is_terminal:
        assert re.search(rb"gpu1-11 +10\.0\.0\.1 +working +0 +12\.3", shown)
        assert b"{" not in shown
    else:
        (worker,) = json.loads(shown.splitlines()[0])["workers"]
        assert (worker["driver"], worker["worker"]) == ("head-7", "gpu1-11")
