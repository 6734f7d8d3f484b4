"""`--max-cost`: a run by a real server stops before its cap, loses nothing, and goes on."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pytest
from faulty_server import Reply, Server, answer, serving
from made_up_candidates import write_run
from one_shard import QUERIES, WINDOWS, OneShard, clean

from rankgen.generator.answers.outcomes import TokenUsage
from rankgen.generator.engines.cost.prices import Prices, usd
from rankgen.generator.engines.cost.purse import CostCap, CostCapReached
from rankgen.generator.engines.cost.till import SILENT_SECONDS, Till
from rankgen.generator.engines.server.served_run import ServedRun
from rankgen.generator.jobs.label.cost import asked_so_far
from rankgen.generator.jobs.label.estimate import estimate
from rankgen.generator.jobs.label.job import label
from rankgen.generator.jobs.label.settings import LabelRunSettings
from rankgen.generator.shards.job import JobSummary
from rankgen.generator.teachers.settings import LabelSettings
from rankgen.manifests.errors import EnvironmentProblem, UsageError
from rankgen.manifests.records import Candidates, Query
from rankgen.manifests.run.run_directory import RunDirectory

pytest.importorskip("openai")

# An answer of the faulty server has 7 prompt and 3 output tokens: here 13 USD.
PRICES = Prices(1e6, 2e6)
ANSWER = 13.0


def capped(server: Server, **more: object) -> LabelSettings:
    values = {"teacher": "listwise", "model": "m", "base_url": server.url, "window": 4, "stride": 2}
    return LabelSettings.model_validate(values | more)


def shard_of(root: Path, server: Server, cap: float, **more: object) -> OneShard:
    """A shard whose till counts what its folder says, as a driver's does."""
    teacher = capped(server, **more)
    spent = PRICES.of(asked_so_far(RunDirectory(root / "run")).tokens)
    return OneShard(root, teacher, ServedRun(cost=CostCap(PRICES, Till(cap, spent))))


def windows_of(server: Server) -> list[dict[str, object]]:
    return [body for _, body in server.requests if "question" in json.dumps(body["messages"])]


def most_of_a_window(root: Path) -> float:
    """The most that one window of these queries may cost, as the refusal says it."""
    with serving(lambda request, seen: clean()) as server:
        with pytest.raises(CostCapReached) as reached:
            shard_of(root, server, 0.01).filled(0, *QUERIES)
        assert windows_of(server) == []
    said = reached.value.message.split("could cost up to ")[1].split(" USD")[0]
    return float(said.replace(",", ""))


def test_a_run_stops_before_its_cap_and_goes_on_with_a_higher_one(tmp_path: Path) -> None:
    most = most_of_a_window(tmp_path / "probe")
    assert most > 20 * ANSWER
    with serving(lambda request, seen: clean()) as server:
        # Room for two answers, but not for what a third one may cost.
        with pytest.raises(CostCapReached) as reached:
            shard_of(tmp_path, server, most + 1.5 * ANSWER).filled(0, *QUERIES)
        assert len(windows_of(server)) == 2
        assert reached.value.exit_code == 4
        assert f"the run has cost {usd(2 * ANSWER)} of the" in reached.value.message
        assert "a higher --max-cost" in str(reached.value.hint)
        assert asked_so_far(RunDirectory(tmp_path / "run")) == (2, TokenUsage(14, 6))
        # The same cap again asks for nothing.
        with pytest.raises(CostCapReached, match=r"has cost 26\.00 USD"):
            shard_of(tmp_path, server, most + 1.5 * ANSWER).filled(0, *QUERIES)
        assert len(windows_of(server)) == 2
        shard = shard_of(tmp_path, server, most + 4 * ANSWER)
        shard.filled(0, *QUERIES)
        shard.commit()
        assert shard.is_clean()
        assert len(windows_of(server)) == len(QUERIES) * WINDOWS
        bodies = [json.dumps(body, sort_keys=True) for body in windows_of(server)]
        assert len(set(bodies)) == len(bodies)


def test_published_windows_count_when_the_journals_are_gone(tmp_path: Path) -> None:
    replies = [answer("no ranking here"), *[clean()] * 10]
    with serving(lambda request, seen: replies.pop(0)) as server:
        replies.insert(0, clean())  # for the trial
        shard = shard_of(tmp_path, server, 1e6)
        shard.filled(0, *QUERIES)
        shard.commit()
        told = asked_so_far(shard.run)
        # One failed call more than windows.
        assert told == (4, TokenUsage(35, 15))
        shard.ledger.discard_work_in_progress()
        assert asked_so_far(shard.run) == told


def test_answers_that_the_cap_leaves_without_a_ranking_are_counted(tmp_path: Path) -> None:
    """The policy asks again after an answer without a ranking, and the cap does not allow it."""
    most = most_of_a_window(tmp_path / "probe")
    with serving(lambda request, seen: answer("no ranking here")) as server:
        with pytest.raises(CostCapReached):
            shard_of(tmp_path, server, most + 0.5 * ANSWER).filled(0, QUERIES[0])
        assert len(windows_of(server)) == 1
        assert asked_so_far(RunDirectory(tmp_path / "run")) == (0, TokenUsage(7, 3))


def test_a_server_that_reports_no_tokens_cannot_keep_a_cap(tmp_path: Path) -> None:
    said = json.loads(str(clean().body)) | {"usage": None}
    with (
        serving(lambda request, seen: Reply(body=json.dumps(said))) as server,
        pytest.raises(EnvironmentProblem, match="does not report the tokens of its answers"),
    ):
        shard_of(tmp_path, server, 1e6).filled(0, *QUERIES)


def test_what_is_in_flight_counts_until_it_is_answered() -> None:
    now = [0.0]
    till = Till(10.0, 1.0, lambda: now[0])
    assert till.reserve("a", "1", 5.0).granted
    assert till.reserve("b", "1", 4.0).granted
    # Not refused: the others may turn out cheaper.
    assert till.reserve("b", "2", 4.0) == (False, None)
    till.settle("a", "1", 1.0)
    assert till.reserve("b", "2", 4.0).granted
    till.settle("b", "1", 2.0)
    till.settle("b", "1", 2.0)
    till.settle("b", "2", 4.0)
    assert till.spent() == 8.0
    refused = till.reserve("a", "2", 2.1)
    assert refused.refusal is not None
    assert "2.00 USD that are left" in refused.refusal
    # Closed, so that a run ends as a whole.
    assert till.reserve("b", "3", 0.1).refusal == refused.refusal


def test_a_dead_worker_has_spent_what_it_reserved() -> None:
    now = [0.0]
    till = Till(10.0, 0.0, lambda: now[0])
    assert till.reserve("dead", "1", 6.0).granted
    assert till.reserve("alive", "1", 6.0) == (False, None)
    now[0] = SILENT_SECONDS + 1
    assert till.reserve("alive", "1", 6.0).refusal is not None
    till.settle("dead", "1", 1.0)
    assert till.spent() == 6.0


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"max_cost": 1.0}, "--max-cost needs both prices"),
        ({"price_in": 1.0}, "--price-in needs both prices"),
        ({"max_cost": 1.0, "base_url": None, "model": "x"}, "--max-cost belongs to a server"),
    ],
)
def test_a_cap_needs_prices_and_a_server(more: dict[str, object], message: str) -> None:
    values = {"teacher": "listwise", "model": "m", "base_url": "http://127.0.0.1:1", **more}
    with pytest.raises(UsageError, match=message):
        LabelSettings.model_validate(values).resolved()
    with pytest.raises(UsageError, match="--price-out belongs to a server"):
        LabelSettings(teacher="minilm", price_out=1.0).resolved()
    peer = {"teacher": "rank-llm:m", "base_url": "http://127.0.0.1:1", "max_cost": 1.0}
    with pytest.raises(UsageError, match=r"--max-cost belongs to .* rankgen asks itself"):
        LabelSettings.model_validate(peer).resolved()


def test_neither_cap_nor_prices_change_the_run() -> None:
    asked = {"teacher": "listwise", "model": "m", "base_url": "http://127.0.0.1:1"}
    plain = LabelSettings.model_validate(asked)
    priced = LabelSettings.model_validate(asked | {"price_in": 1, "price_out": 2, "max_cost": 3})
    assert plain.identity() == priced.identity()


def test_a_dry_run_tells_the_cost_only_with_prices(tmp_path: Path) -> None:
    write_lists(tmp_path / "candidates", 3)
    asked = {"teacher": "listwise", "model": "m", "base_url": "http://127.0.0.1:1"}
    priced = asked | {"price_in": 1e6, "price_out": 2e6, "max_cost": 5}
    plain, told = (
        estimate(
            LabelRunSettings(
                candidates=tmp_path / "candidates",
                teacher=LabelSettings.model_validate(values),
                out=tmp_path / "out",
            ),
            1.0,
        )
        for values in (asked, priced)
    )
    assert plain.cost_usd is None
    assert "USD" not in plain.text()
    assert told.cost_usd == told.prompt_tokens + 2 * told.output_tokens
    assert _calls_of(tmp_path, LabelSettings.model_validate(asked), ["q01"]) == 1
    with pytest.raises(UsageError, match="has no candidates for query q7"):
        _calls_of(tmp_path, LabelSettings.model_validate(asked), ["q01", "q7"])
    assert f"{usd(told.cost_usd)}   (upper limit; --max-cost is 5.00 USD)" in told.text()


def test_a_dry_run_tells_how_many_batches_follow_one_another(tmp_path: Path) -> None:
    write_lists(tmp_path / "candidates", 5)
    asked = {"teacher": "listwise", "model": "m", "base_url": "http://127.0.0.1:1", "window": 4}
    more = {"stride": 2, "api": "batch", "concurrency": 2}
    settings = LabelRunSettings(
        candidates=tmp_path / "candidates",
        teacher=LabelSettings.model_validate(asked | more),
        out=tmp_path / "out",
        workers=2,
    )
    # Two windows a list, and four of five queries at a time.
    assert estimate(settings, 1.0).batches == 4


def _calls_of(root: Path, teacher: LabelSettings, only: list[str]) -> int:
    settings = LabelRunSettings(
        candidates=root / "candidates", teacher=teacher, out=root / "out", only=tuple(only)
    )
    return estimate(settings, 1.0).calls


def write_lists(root: Path, queries: int) -> None:
    asked = [Query(f"q{n:02}", f"question {n}") for n in range(queries)]
    found = [Candidates(q.query_id, tuple("abcdef"), (6.0, 5.0, 4.0, 3.0, 2.0, 1.0)) for q in asked]
    write_run(RunDirectory(root), found, asked, {x: f"text of {x}" for x in "abcdef"})


@pytest.mark.usefixtures("one_ray")
def test_two_workers_stay_below_the_cap_together(tmp_path: Path) -> None:
    """On Ray: the cap is reached midway, and a second command spends the rest of one pass."""
    queries, dear = 24, {"prompt_tokens": 600, "completion_tokens": 20}
    paid = PRICES.of(TokenUsage(600, 20))
    costly = json.dumps(json.loads(str(clean().body)) | {"usage": dear})
    write_lists(tmp_path / "candidates", queries)
    lock, at_once, most_at_once = threading.Lock(), [0], [0]

    def behave(request: dict[str, object], seen: int) -> Reply:
        with lock:
            at_once[0] += 1
            most_at_once[0] = max(most_at_once[0], at_once[0])
        time.sleep(0.05)
        with lock:
            at_once[0] -= 1
        return Reply(body=costly)

    with serving(behave) as server:
        most = most_of_a_window(tmp_path / "probe")
        cap = 20 * paid + most

        def run(limit: float) -> JobSummary:
            teacher = capped(
                server, price_in=1e6, price_out=2e6, max_cost=limit, concurrency=3
            ).resolved()
            return label(
                LabelRunSettings(
                    candidates=tmp_path / "candidates",
                    teacher=teacher,
                    out=tmp_path / "out",
                    workers=2,
                    shards=4,
                )
            )

        with pytest.raises(CostCapReached, match=r"has answers to \d+ of 48 windows"):
            run(cap)
        asked = len(windows_of(server))
        assert cap - most < asked * paid <= cap
        told = asked_so_far(RunDirectory(tmp_path / "out"))
        assert told == (asked, TokenUsage(600 * asked, 20 * asked))
        assert most_at_once[0] > 1
        summary = run(1e6)
    assert summary.counts["windows"] == 2 * queries
    assert len(windows_of(server)) == 2 * queries
