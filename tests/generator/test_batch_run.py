"""A whole run on Ray by a server's Batch API, killed in the middle of a batch."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from batch_server import Batches, Body, serving_batches
from faulty_server import Reply, answer
from made_up_candidates import write_run
from processes import PATIENCE_S

from rankgen.manifests.records import Candidates, Query
from rankgen.manifests.run.run_directory import RunDirectory

pytest.importorskip("openai")

QUERIES, WINDOWS = 12, 3
RANKGEN = Path(sys.executable).with_name("rankgen")


def write_candidates(root: Path) -> None:
    asked = [Query(f"q{n:02}", f"question {n}") for n in range(QUERIES)]
    scores = tuple(float(8 - n) for n in range(8))
    found = [Candidates(query.query_id, tuple("abcdefgh"), scores) for query in asked]
    write_run(RunDirectory(root), found, asked, {x: f"text of {x}" for x in "abcdefgh"})


def command(root: Path, server: Batches, *more: str) -> list[str]:
    asked = ["--candidates", str(root / "candidates"), "--out", str(root / "run"), "--json"]
    asked += ["--teacher", "listwise", "--model", "m", "--base-url", server.url]
    asked += ["--api", "batch", "--batch-seconds", "0.5", "--window", "4", "--stride", "2"]
    asked += ["--workers", "2", "--shards", "4", "--price-in", "1", "--price-out", "2"]
    return [str(RANKGEN), "label", *asked, *more]


def test_a_run_killed_in_the_middle_of_a_batch_pays_once(tmp_path: Path) -> None:
    write_candidates(tmp_path / "candidates")

    def behave(body: Body) -> Reply:
        return answer("[4] > [3] > [2] > [1]")

    with serving_batches(behave) as server:
        server.looks = 4
        first = subprocess.Popen(
            command(tmp_path, server, "--max-cost", "100"), start_new_session=True
        )
        deadline = time.monotonic() + PATIENCE_S
        # One of the second round is at work.
        while not any(
            batch["status"] == "in_progress" for batch in list(server.batches.values())[2:]
        ):
            assert first.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        os.killpg(first.pid, signal.SIGKILL)
        first.wait()
        server.looks = 1
        done = subprocess.run(
            command(tmp_path, server, "--max-cost", "100"),
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout)
        assert (told["queries"], told["windows"]) == (QUERIES, QUERIES * WINDOWS)
        # At most 1.02 of one pass; here exactly one.
        assert list(server.paid.values()) == [1] * QUERIES * WINDOWS
        assert told["prompt_tokens"] == 7 * QUERIES * WINDOWS
    assert not RunDirectory(tmp_path / "run").batches.exists()
