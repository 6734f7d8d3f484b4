"""Labels by way of a server's Batch API: those of direct answers, each window paid for once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from batch_server import Batches, Body, serving_batches
from faulty_server import Reply, answer
from one_shard import DEPTH, QUERIES, WINDOWS, OneShard, orders

from rankgen.generator.engines.batch.records import BatchFolder
from rankgen.generator.engines.cost.prices import Prices
from rankgen.generator.engines.cost.purse import CostCap, CostCapReached
from rankgen.generator.engines.cost.till import Till
from rankgen.generator.engines.server.served_run import ServedRun
from rankgen.generator.jobs.label.cost import asked_so_far
from rankgen.generator.teachers.settings import LabelSettings
from rankgen.manifests.errors import EnvironmentProblem, UsageError
from rankgen.manifests.run.plan import holds_no_work
from rankgen.manifests.run.run_directory import RunDirectory

pytest.importorskip("openai")

CALLS = len(QUERIES) * WINDOWS


def reversing(body: Body) -> Reply:
    assert body["model"] == "m"
    # A line separator of Unicode, which is no end of a line of the output file.
    return answer("[4] > [3] > [2] > [1]\u2028")


def settings(url: str, **more: object) -> LabelSettings:
    values = {"teacher": "listwise", "model": "m", "base_url": url, "window": 4, "stride": 2}
    values |= {"api": "batch", "batch_seconds": 0.1}
    return LabelSettings.model_validate(values | more)


def shard_of(root: Path, url: str, **more: object) -> OneShard:
    served = ServedRun(batches=RunDirectory(root / "run").batches)
    return OneShard(root, settings(url, **more), served)


def labelled(root: Path, server: Batches) -> OneShard:
    shard = shard_of(root, server.url)
    shard.filled(0, *QUERIES)
    shard.commit()
    assert shard.is_clean()
    return shard


def direct_orders(root: Path) -> dict[str, list[str]]:
    """The orders that the windows lead to: each window reverses its passages."""
    order = [f"d{n}" for n in range(DEPTH)]
    for start in (2, 0):
        order[start : start + 4] = order[start : start + 4][::-1]
    return {query.query_id: order for query in QUERIES}


def all_paid_once(server: Batches) -> bool:
    return list(server.paid.values()) == [1] * CALLS


def test_a_batch_holds_one_window_of_every_query(tmp_path: Path) -> None:
    with serving_batches(reversing) as server:
        shard = labelled(tmp_path, server)
        assert orders(shard.run) == direct_orders(tmp_path)
        sizes = [len(server.requests_of(batch)) for batch in server.batches.values()]
        assert sizes == [len(QUERIES)] * WINDOWS
        assert all_paid_once(server)
        body = server.requests_of(server.batches["batch_0"])[0]["body"]
        assert body["temperature"] == 0.0
        outcomes = {call["outcome"] for query in QUERIES for call in shard.calls(query.query_id)}
        assert outcomes == {"ok"}
        # The records of a batch go when the next is asked for, and the last with the journals.
        assert len(list(shard.run.batches.glob("*.jsonl"))) == 1
        shard.ledger.discard_work_in_progress()
        assert not shard.run.batches.exists()


# What a proxy sends, with status 200.
PAGE = Reply(body="<html>busy</html>", headers=(("Content-Type", "text/html"),))
HALF = Reply(body='{"id": "ba', headers=(("Content-Type", "application/json"),))
OTHER = Reply(body='{"ok": true}', headers=(("Content-Type", "application/json"),))


@pytest.mark.parametrize(
    ("path", "faults"),
    [
        ("/v1/files", [PAGE, HALF, OTHER]),
        ("/v1/batches", [PAGE, HALF, OTHER]),
        ("/v1/batches/", [PAGE, HALF, OTHER]),
        ("/v1/files", [Reply(503, "busy"), Reply(429, "{}", (("Retry-After", "0.1"),))]),
        ("/v1/batches", [Reply(500, "x"), Reply(body=None), Reply(429, "{}")]),
        ("/v1/batches/", [Reply(502, "x"), Reply(body=None)]),
        ("/v1/batches#after", [Reply(body=None)]),
        ("cut", []),
    ],
)
def test_faults_of_the_transport_change_nothing(
    tmp_path: Path, path: str, faults: list[Reply | None]
) -> None:
    with serving_batches(reversing) as server:
        if path == "cut":
            server.cut_downloads = 2
        server.faults[path] = list(faults)
        shard = labelled(tmp_path, server)
        assert not server.faults[path]
        assert server.cut_downloads == 0
        assert orders(shard.run) == direct_orders(tmp_path)
        assert len(server.batches) == WINDOWS
        assert all_paid_once(server)


def test_a_status_in_capitals_is_the_same(tmp_path: Path) -> None:
    with serving_batches(reversing) as server:
        server.in_capitals = True
        assert orders(labelled(tmp_path, server).run) == direct_orders(tmp_path)
        assert all_paid_once(server)


@pytest.mark.parametrize("ending", ["expired", "failed"])
def test_what_a_batch_leaves_is_asked_again_in_the_next(tmp_path: Path, ending: str) -> None:
    with serving_batches(reversing) as server:
        server.endings = [ending]
        shard = labelled(tmp_path, server)
        assert orders(shard.run) == direct_orders(tmp_path)
        assert all_paid_once(server)
        assert len(server.batches) == WINDOWS + 1


def test_an_error_line_is_asked_again_and_a_refused_one_is_not(tmp_path: Path) -> None:
    seen: list[str] = []

    def behave(body: Body) -> Reply:
        content = json.dumps(body["messages"])
        seen.append(content)
        if "question b" in content and len(server.batches) > 1:
            said = {"error": {"code": "content_filter", "message": "filtered"}}
            return Reply(400, json.dumps(said))
        if seen.count(content) == 1 and "question a" in content:
            return Reply(500, '{"error": {"message": "[2] > [1] of 3"}}')
        return reversing(body)

    with serving_batches(behave) as server:
        shard = shard_of(tmp_path, server.url)
        shard.filled(0, *QUERIES)
        record = shard.commit()
        assert list(record.quarantined) == ["b"]
        assert "content filter" in record.quarantined["b"]
        assert orders(shard.run)["a"] == direct_orders(tmp_path)["a"]
        assert sum("question b" in content for content in seen) == 2
        assert sum(server.paid.values()) == 3


def test_an_answer_without_a_ranking_is_paid_for_and_asked_anew(tmp_path: Path) -> None:
    said: list[str] = []

    def behave(body: Body) -> Reply:
        said.append(json.dumps(body["messages"]))
        return reversing(body) if len(said) != 1 else answer("I cannot rank them.")

    with serving_batches(behave) as server:
        shard = labelled(tmp_path, server)
        calls = [call for query in QUERIES for call in shard.calls(query.query_id)]
        assert sorted(str(call["outcome"]) for call in calls) == ["malformed", *["ok"] * 4]
        assert sum(server.paid.values()) == CALLS + 1


@pytest.mark.parametrize("end", ["cancelled", "lost"])
def test_a_broken_batch_is_one_sentence_and_the_next_command_goes_on(
    tmp_path: Path, end: str
) -> None:
    with serving_batches(reversing) as server:
        server.looks = 2
        if end == "cancelled":
            server.endings = ["cancelled"]
        else:
            server.faults["/v1/batches/"] = [None, Reply(404, '{"error": {"message": "gone"}}')]
        words = "was cancelled" if end == "cancelled" else "is not known to it any more"
        with pytest.raises(EnvironmentProblem, match=f"the batch batch_0 .*{words}") as broken:
            shard_of(tmp_path, server.url).filled(0, *QUERIES)
        assert "repeat the command" in str(broken.value.hint)
        shard = labelled(tmp_path, server)
        assert orders(shard.run) == direct_orders(tmp_path)
        assert all_paid_once(server)


def test_batches_that_answer_nothing_stop_the_run(tmp_path: Path) -> None:
    with serving_batches(reversing) as server:
        server.endings = ["failed"] * 9
        with pytest.raises(EnvironmentProblem, match=r"nothing in 3 batches .*token limit reached"):
            shard_of(tmp_path, server.url).filled(0, *QUERIES)
        assert len(server.batches) == 3


def test_a_pause_until_tomorrow_is_not_sat_through(tmp_path: Path) -> None:
    with serving_batches(reversing) as server:
        server.faults["/v1/batches"] = [Reply(429, "{}", (("Retry-After", "1e8"),))]
        with pytest.raises(EnvironmentProblem, match=r"refuses to create .* pause of 1,157 days"):
            shard_of(tmp_path, server.url).filled(0, *QUERIES)


def test_a_server_without_batches_is_one_sentence(tmp_path: Path) -> None:
    with serving_batches(reversing) as server:
        server.faults["/v1/files"] = [Reply(404, '{"error": {"message": "no such path"}}')]
        with pytest.raises(UsageError, match="has no Batch API") as refused:
            shard_of(tmp_path, server.url).filled(0, *QUERIES)
        assert refused.value.hint == "use --api chat"


KILLED = """
import sys
sys.path.insert(0, sys.argv[3])
from pathlib import Path
from test_batch_api import QUERIES, shard_of
shard_of(Path(sys.argv[1]), sys.argv[2]).filled(0, *QUERIES)
"""


def killed_when(root: Path, server: Batches, is_time: Callable[[], bool]) -> None:
    """Labels in a process of its own and kills it when the server sees that it is time."""
    command = [sys.executable, "-c", KILLED, str(root), server.url, str(Path(__file__).parent)]
    process = subprocess.Popen(command, start_new_session=True)
    deadline = time.monotonic() + 60
    while not is_time():
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.mark.parametrize("round_", [1, 2])
def test_a_killed_run_finds_its_batch_again(tmp_path: Path, round_: int) -> None:
    """Killed in the first and in the second round, while the batch is in progress."""
    with serving_batches(reversing) as server:
        server.looks = 3

        def is_time() -> bool:
            batch = server.batches.get(f"batch_{round_ - 1}")
            return batch is not None and batch["status"] == "in_progress"

        killed_when(tmp_path, server, is_time)
        server.looks = 1
        shard = labelled(tmp_path, server)
        assert orders(shard.run) == direct_orders(tmp_path)
        assert len(server.batches) == WINDOWS
        assert server.lists == 0
        assert all_paid_once(server)
        assert asked_so_far(shard.run).windows == CALLS


def test_a_window_that_two_batches_have_is_not_asked_a_third_time(tmp_path: Path) -> None:
    """Killed in a batch that then expires half done, and killed again in the one that follows."""
    with serving_batches(reversing) as server:
        server.looks, server.endings = 3, ["expired"]

        def is_at_work(batch: str) -> bool:
            return server.batches.get(batch, {}).get("status") == "in_progress"

        killed_when(tmp_path, server, lambda: is_at_work("batch_0"))
        server.looks = 6
        killed_when(tmp_path, server, lambda: is_at_work("batch_1"))
        server.looks = 1
        records = BatchFolder(RunDirectory(tmp_path / "run").batches).open()
        assert frozenset.intersection(*(record.names for record in records))
        shard = labelled(tmp_path, server)
        assert orders(shard.run) == direct_orders(tmp_path)
        assert all_paid_once(server)


def test_a_bad_answer_of_an_earlier_command_is_not_read_again(tmp_path: Path) -> None:
    bad = [answer("I cannot rank them.")]

    def behave(body: Body) -> Reply:
        is_last = len(server.batches) == WINDOWS and "question a" in json.dumps(body["messages"])
        return bad.pop() if bad and is_last else reversing(body)

    with serving_batches(behave) as server:
        shard = shard_of(tmp_path, server.url, on_malformed="quarantine")
        shard.filled(0, *QUERIES)
        assert list(shard.commit().quarantined) == ["a"]
        # The batch with that answer is still known.
        assert len(list(shard.run.batches.glob("*.jsonl"))) == 1
        again = shard_of(tmp_path, server.url, on_malformed="quarantine")
        again.filled(1, QUERIES[0])
        assert not again.commit().quarantined
        assert again.is_clean()
        assert orders(again.run) == direct_orders(tmp_path)
        assert sum(server.paid.values()) == CALLS + 1
        assert [call["outcome"] for call in again.calls("a")] == ["ok", "malformed", "ok"]


def test_a_run_killed_before_it_knows_the_batch_finds_it_by_its_name(tmp_path: Path) -> None:
    with serving_batches(reversing) as server:
        killed_when(tmp_path, server, lambda: "batch_0" in server.batches)
        for path in RunDirectory(tmp_path / "run").batches.glob("*.id"):
            path.unlink()
        shard = labelled(tmp_path, server)
        assert server.lists == 1
        assert orders(shard.run) == direct_orders(tmp_path)
        assert all_paid_once(server)


def test_a_run_whose_batch_is_out_holds_work(tmp_path: Path) -> None:
    """In an object store the journal begins with its first line, after the batch is paid for."""
    run = RunDirectory(tmp_path)
    assert holds_no_work(run)
    BatchFolder(run.batches).add(b'{"custom_id": "a"}\n')
    assert not holds_no_work(run)


def test_a_batch_stays_below_the_cap(tmp_path: Path) -> None:
    """Each request of a batch is reserved, so a round may be cut in two."""
    prices, cap = Prices(1e6, 2e6), 1000.0
    with serving_batches(reversing) as server:

        def run(limit: float) -> OneShard:
            spent = prices.of(asked_so_far(RunDirectory(tmp_path / "run")).tokens)
            folder = RunDirectory(tmp_path / "run").batches
            served = ServedRun(None, folder, CostCap(prices, Till(limit, spent)))
            shard = OneShard(tmp_path, settings(server.url), served)
            shard.filled(0, *QUERIES)
            return shard

        with pytest.raises(CostCapReached) as reached:
            run(0.01)
        most = float(
            reached.value.message.split("could cost up to ")[1].split(" USD")[0].replace(",", "")
        )
        assert not server.batches
        with pytest.raises(CostCapReached):
            run(most + 1.5 * 13)
        assert sum(server.paid.values()) == 2
        assert [len(server.requests_of(b)) for b in server.batches.values()] == [1, 1]
        run(most * cap).commit()
        assert all_paid_once(server)


def test_a_direct_run_may_go_on_with_batches() -> None:
    direct, batch = settings("http://127.0.0.1:1", api="chat"), settings("http://127.0.0.1:1")
    assert direct.identity() == batch.identity()
    assert batch.resolved().concurrency == 2000
    with pytest.raises(UsageError, match="--api batch belongs to a server"):
        settings("http://127.0.0.1:1", base_url=None).resolved()
