"""The table `windows` holds every call, failed ones too, and what a query cost is all of them."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from faulty_server import Reply, answer, serving
from old_shards import LATER, rewrite_windows_as_before

from rankgen.generator.jobs.work import ShardTask
from rankgen.generator.jobs.worker import ShardWorker
from rankgen.generator.journal import WindowJournal, journalled_windows
from rankgen.generator.label import LabelRunSettings, plan_labels
from rankgen.generator.label_rows import validate_rankings
from rankgen.generator.label_settings import LabelSettings
from rankgen.generator.label_work import LabelFactory
from rankgen.generator.outcomes import FailedCall, TokenUsage, WindowOutcome, WindowResult
from rankgen.manifests.commit_record import Attempt, CommitRecord
from rankgen.manifests.ledger import Ledger
from rankgen.manifests.plan import open_plan
from rankgen.manifests.provenance import write_manifest
from rankgen.manifests.records import Candidates, Document, Query
from rankgen.manifests.run_directory import RunDirectory
from rankgen.manifests.shard import write_shard
from rankgen.manifests.status import run_status
from rankgen.manifests.store_probe import StoreToken
from rankgen.manifests.texts import link_texts, write_documents, write_queries
from rankgen.manifests.verify import verify_run
from rankgen.retrieval.candidate_rows import candidate_table
from rankgen.students.evidence import read_evidence

QUERIES = (Query("a", "question a"), Query("b", "question b"))
PROSE = "I would rather not rank these."
# Windows of 4 over 6 passages: two a query.
DEPTH, WINDOWS = 6, 2
Behaviour = Callable[[str, int], Reply]
Row = dict[str, object]


class OneShard:
    """A label run of one shard, filled in this process and committed by the real ledger.

    Args:
        root: Holds the candidates and the run.
        teacher: The teacher.
    """

    def __init__(self, root: Path, teacher: LabelSettings) -> None:
        source, self.run = RunDirectory(root / "candidates"), RunDirectory(root / "run")
        if not source.has_table("candidates"):
            _write_candidates(source)
        settings = LabelRunSettings(candidates=source.root, teacher=teacher, out=self.run.root)
        plan, queries = plan_labels(settings)
        self.plan = open_plan(self.run, plan, queries)
        self.ledger = Ledger(self.run, self.plan.fingerprint, 1, self.plan.tables)
        self._factory = LabelFactory(
            source.root, teacher.resolved(), plan.recipe.get("documents_sha256")
        )
        self._source = source

    def filled(self, revision: int, *queries: Query) -> Path:
        """Fills the shard in a worker of its own and returns the attempt's folder."""
        nothing = StoreToken(self.run.root, b"")
        worker = ShardWorker(self.run.root, self.plan.fingerprint, 1, self._factory, nothing)
        worker._work = self._factory()

        async def fill() -> Attempt:
            attempt = await worker.fill(ShardTask(0, revision, queries))
            await worker.stop()
            return attempt

        self._attempt = asyncio.run(fill())
        return self.run.attempts / self._attempt.name

    def commit(self) -> CommitRecord:
        """Commits what was filled last."""
        planned = [query.query_id for query in QUERIES]
        assert self.ledger.commit(self._attempt, planned, validate_rankings)
        return self.ledger.records()[0]

    def is_clean(self) -> bool:
        """Finishes the run and verifies every row."""
        link_texts(self._source, self.run)
        write_manifest(self.run, self.plan, self.ledger.history())
        found = verify_run(self.run, validate_rankings)
        assert found.problems == ()
        return found.is_finished

    def calls(self, query_id: str) -> list[Row]:
        rows: list[Row] = self.run.read("windows").to_pylist()
        return [row for row in rows if row["query_id"] == query_id]


def _write_candidates(run: RunDirectory) -> None:
    doc_ids = [f"d{n}" for n in range(DEPTH)]
    scores = tuple(float(DEPTH - n) for n in range(DEPTH))
    found = [Candidates(query.query_id, tuple(doc_ids), scores) for query in QUERIES]
    write_shard(run.shard_path("candidates", 0, 1), "candidates", candidate_table(found), "f")
    write_queries(run, list(QUERIES), "f")
    documents = [Document(doc_id, "", f"text of {doc_id}") for doc_id in doc_ids]
    write_documents(run, documents, "f")


@contextmanager
def labelled(root: Path, behave: Behaviour, **more: object) -> Iterator[OneShard]:
    """A run by a server that is told the query and how often it was asked about a window."""

    def reply(request: dict[str, object], seen: int) -> Reply:
        content = json.dumps(request["messages"])
        query = next((q.query_id for q in QUERIES if q.text in content), None)
        # A trial comes before all windows.
        return clean() if query is None else behave(query, seen)

    with serving(reply) as server:
        values = {"teacher": "listwise", "model": "m", "base_url": server.url, **more}
        teacher = LabelSettings.model_validate({"window": 4, "stride": 2, **values})
        yield OneShard(root, teacher)


def clean() -> Reply:
    return answer("[4] > [3] > [2] > [1]")


def first_of_a(*replies: Reply) -> Behaviour:
    """Answers what is asked first for query a, whatever the window, with these."""
    left = list(replies)
    return lambda query, seen: left.pop(0) if query == "a" and left else clean()


def a_fails_twice() -> Behaviour:
    return first_of_a(answer(PROSE), answer(PROSE))


def orders(run: RunDirectory) -> dict[str, list[str]]:
    rows = run.read("rankings", ["query_id", "doc_ids"]).to_pylist()
    return {row["query_id"]: row["doc_ids"] for row in rows}


def undisturbed(root: Path) -> tuple[dict[str, list[str]], pa.Table]:
    """Returns the orders and the windows of a run without a failure."""
    with labelled(root / "undisturbed", lambda query, seen: clean()) as shard:
        shard.filled(0, *QUERIES)
        shard.commit()
        return orders(shard.run), shard.run.read("windows")


def test_a_window_that_fails_twice_and_is_asked_again_has_three_rows(tmp_path: Path) -> None:
    expected, windows = undisturbed(tmp_path)
    with labelled(tmp_path / "again", a_fails_twice()) as shard:
        shard.filled(0, *QUERIES)
        counts = shard.commit().counts
        one, two, ordering, last, *_ = shard.calls("a")
        assert shard.is_clean()
        assert run_status(shard.run).counts == counts
    for attempt, row in enumerate((one, two), start=1):
        assert (row["attempt"], row["outcome"], row["permutation"]) == (attempt, "malformed", None)
        assert (row["output_text"], row["prompt_tokens"], row["output_tokens"]) == (PROSE, 7, 3)
        assert (row["window_index"], row["start"], row["end"], row["cut"]) == (0, 2, 6, 0)
        assert "the answer holds no ranking" in str(row["reason"])
    assert (ordering["attempt"], ordering["permutation"]) == (3, [3, 2, 1, 0])
    assert (ordering["outcome"], ordering["reason"], ordering["prompt_tokens"]) == ("ok", None, 7)
    # The rows' order is their own, whatever they came in.
    table = shard.run.read("windows")
    backwards = table.take(pa.array(range(table.num_rows - 1, -1, -1)))
    for name, rows in (("as_is", table), ("reversed", backwards)):
        write_shard(tmp_path / name, "windows", rows, "f")
    assert (tmp_path / "as_is").read_bytes() == (tmp_path / "reversed").read_bytes()
    # One window a call wherever nothing failed.
    assert (last["window_index"], last["attempt"]) == (1, 1)
    assert orders(shard.run) == expected
    assert (counts["windows"], counts["failed_calls"]) == (2 * WINDOWS, 2)
    assert (counts["windows_ok"], counts["calls"]) == (2 * WINDOWS, 2 * WINDOWS + 2)
    assert (counts["prompt_tokens"], counts["output_tokens"]) == (7 * 6, 3 * 6)
    asked = shard.run.read("rankings", ["prompt_tokens", "windows"]).to_pylist()
    assert asked == [{"windows": WINDOWS, "prompt_tokens": 7 * n} for n in (4, 2)]
    assert windows.num_rows == 2 * WINDOWS


def test_calls_of_earlier_tries_stay_when_a_query_is_done_again(tmp_path: Path) -> None:
    """Each try is a worker's of its own: the first is lost, the second committed, the third won."""
    expected, windows = undisturbed(tmp_path)
    with labelled(tmp_path / "again", a_fails_twice(), on_malformed="quarantine") as shard:
        shard.filled(0, *QUERIES)
        shard.filled(0, *QUERIES)
        record = shard.commit()
        assert list(record.quarantined) == ["a"]
        assert (record.counts["windows"], record.counts["failed_calls"]) == (WINDOWS, 2)
        assert [row["attempt"] for row in shard.calls("a")] == [1, 2]
        assert shard.is_clean()
        shard.filled(1, QUERIES[0])
        record = shard.commit()
        assert shard.is_clean()
        manifest = json.loads(shard.run.manifest.read_text())
    assert not record.quarantined
    assert orders(shard.run) == expected
    rows = shard.calls("a")
    assert [(row["window_index"], row["attempt"]) for row in rows] == [
        (0, 1),
        (0, 2),
        (0, 3),
        (1, 1),
    ]
    assert [row["permutation"] is None for row in rows] == [True, True, False, False]
    assert (record.counts["windows"], record.counts["failed_calls"]) == (2 * WINDOWS, 2)
    assert record.counts["prompt_tokens"] == 7 * 6
    assert manifest["predicate"]["counts"] == record.counts
    # Training reads the same of it.
    all_pairs = read_evidence(shard.run, (1.0, 0.5, 0.0)).weights("a", _all_places())
    with_windows = RunDirectory(tmp_path / "undisturbed" / "run")
    assert windows.num_rows == 2 * WINDOWS
    same = read_evidence(with_windows, (1.0, 0.5, 0.0)).weights("a", _all_places())
    assert all_pairs.tolist() == same.tolist()


def _all_places() -> object:
    import numpy as np

    return np.arange(DEPTH)


def test_what_was_asked_for_a_query_without_a_ranking_is_kept(tmp_path: Path) -> None:
    """Its first window is ranked; the second one, asked once, ends by a filter, with its cost."""

    filtered_second = first_of_a(clean(), answer("[4] > [3", "content_filter"))
    with labelled(tmp_path, filtered_second) as shard:
        shard.filled(0, *QUERIES)
        record = shard.commit()
        assert shard.is_clean()
    assert list(record.quarantined) == ["a"]
    ranked, filtered = shard.calls("a")
    assert (ranked["window_index"], ranked["permutation"]) == (0, [3, 2, 1, 0])
    assert (filtered["window_index"], filtered["start"], filtered["end"]) == (1, 0, 4)
    assert (filtered["outcome"], filtered["permutation"]) == ("error", None)
    assert (filtered["output_text"], filtered["prompt_tokens"]) == ("[4] > [3", 7)
    assert filtered["reason"] == "the answer was ended by 'content_filter'"
    assert record.counts["prompt_tokens"] == 7 * 4
    assert [record.counts[name] for name in ("calls", "windows", "failed_calls")] == [4, 2, 1]


def test_a_run_without_failures_holds_one_row_a_window(tmp_path: Path) -> None:
    _, windows = undisturbed(tmp_path)
    assert windows["attempt"].to_pylist() == [1] * (2 * WINDOWS)
    assert windows["reason"].null_count == 2 * WINDOWS
    assert windows["cut"].to_pylist() == [0] * (2 * WINDOWS)


def test_calls_for_a_window_that_a_second_pass_meets_again_count_once(tmp_path: Path) -> None:
    """Every window keeps its order, so that the second pass asks for the same ones."""
    left = [answer(PROSE), answer(PROSE)]

    def behave(query: str, seen: int) -> Reply:
        return left.pop() if query == "a" and left else answer("[1] > [2] > [3] > [4]")

    with labelled(tmp_path, behave, passes=2) as shard:
        shard.filled(0, *QUERIES)
        counts = shard.commit().counts
        assert shard.is_clean()
    assert (counts["windows"], counts["failed_calls"]) == (2 * 2 * WINDOWS, 2)
    assert [row["attempt"] for row in shard.calls("a")] == [1, 2, 3, 1, 1, 1]


def test_passages_that_were_cut_are_told(tmp_path: Path) -> None:
    """A context of so few tokens holds the instructions and a part of the long passages."""
    source = RunDirectory(tmp_path / "candidates")
    _write_candidates(source)
    long = [Document(f"d{n}", "", "word " * (150 if n < 3 else 3)) for n in range(DEPTH)]
    write_documents(source, long, "f")
    with labelled(tmp_path, lambda query, seen: clean(), context_size=500) as shard:
        shard.filled(0, *QUERIES)
        shard.commit()
    # First the passages 2 to 5, one of which is long; it loses, so that then the others meet.
    assert [row["cut"] for row in shard.calls("a")] == [0, 2]


def test_a_run_begun_before_is_read_verified_and_resumed(tmp_path: Path) -> None:
    """Its shard stands in version 1.0, and a query that failed is done again now."""
    expected, _ = undisturbed(tmp_path)
    with labelled(tmp_path / "again", a_fails_twice(), on_malformed="quarantine") as shard:
        attempt = shard.filled(0, *QUERIES)
        rewrite_windows_as_before(attempt / "windows.parquet")
        shard.commit()
        (path,) = shard.run.shard_paths("windows")
        assert not {*LATER} & {*pq.read_schema(path).names}
        for row in shard.calls("b"):
            assert [row[name] for name in LATER] == [None] * 3
        assert shard.run.read("windows", ["query_id", "cut"])["cut"].null_count == WINDOWS
        assert shard.is_clean()
        shard.filled(1, QUERIES[0])
        shard.commit()
        shard.filled(2, QUERIES[0])
        record = shard.commit()
        assert shard.is_clean()
    assert orders(shard.run) == expected
    assert [row["attempt"] for row in shard.calls("a")] == [1, 2, 3, 1]
    assert [row["attempt"] for row in shard.calls("b")] == [None, None]
    assert (record.counts["windows"], record.counts["failed_calls"]) == (2 * WINDOWS, 2)
    read_evidence(shard.run, (1.0, 0.0, 0.0))


FAILED = FailedCall("no", WindowOutcome.MALFORMED, TokenUsage(5, 2), "text \u2603", 3)


def test_the_journal_keeps_failed_calls_and_answers_with_none(tmp_path: Path) -> None:
    WindowJournal(tmp_path).append_failed("a", FAILED)
    (first,) = tmp_path.glob("*.jsonl")
    # Files of several processes stand in the order of their names.
    first.rename(tmp_path / "z.jsonl")
    later = WindowJournal(tmp_path)
    second, third = (dataclasses.replace(FAILED, reason=reason) for reason in ("2nd", "3rd"))
    later.append("a", WindowResult((1, 0), failed=(second, third), cut=2))
    later.close()
    read = WindowJournal(tmp_path)
    assert read.find("a") == WindowResult((1, 0), cut=2)
    assert read.failed("a") == (FAILED, second, third)
    assert read.failed("b") == ()
    assert read.find("b") is None
    assert journalled_windows(tmp_path) == 1


def test_a_journal_of_before_is_replayed(tmp_path: Path) -> None:
    import zlib

    result = dataclasses.asdict(WindowResult((1, 0), usage=TokenUsage(20, 9)))
    before: Mapping[str, object] = {k: v for k, v in result.items() if k not in ("cut", "failed")}
    body = json.dumps({"key": "a", **before}).encode()
    (tmp_path / "w.jsonl").write_bytes(f"{zlib.crc32(body):08x} ".encode() + body + b"\n")
    assert WindowJournal(tmp_path).find("a") == WindowResult((1, 0), usage=TokenUsage(20, 9))


@pytest.mark.parametrize("policy", ["repair", "retry"])
def test_of_several_answers_the_taken_one_orders(tmp_path: Path, policy: str) -> None:
    """The second answer lacks the fewest passages."""
    texts = ("[4] > [3] > [4]", "[2] > [1] > [4]", "[1] > [2] > [1]")
    behave = first_of_a(*map(answer, texts))
    with labelled(tmp_path, behave, on_malformed=policy) as shard:
        shard.filled(0, *QUERIES)
        shard.commit()
        assert shard.is_clean()
    rows = [row for row in shard.calls("a") if row["window_index"] == 0]
    if policy == "repair":
        assert [(row["attempt"], row["permutation"]) for row in rows] == [(1, [3, 2, 0, 1])]
        return
    assert [row["output_text"] for row in rows] == [
        "[4] > [3] > [4]",
        "[1] > [2] > [1]",
        "[2] > [1] > [4]",
    ]
    assert [row["permutation"] for row in rows] == [None, None, [1, 0, 3, 2]]
    assert [row["outcome"] for row in rows] == ["repaired"] * 3
    assert [row["missing"] for row in rows] == [0, 0, 1]
