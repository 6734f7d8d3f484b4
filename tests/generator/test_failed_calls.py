"""The table `windows` holds every call, failed ones too, and what a query cost is all of them."""

from __future__ import annotations

import dataclasses
import json
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from faulty_server import Reply, answer
from old_shards import LATER, rewrite_windows_as_before
from one_shard import (
    DEPTH,
    QUERIES,
    WINDOWS,
    Behaviour,
    clean,
    first_of_a,
    labelled,
    orders,
    write_candidates,
)

from rankgen.generator.answers.outcomes import FailedCall, TokenUsage, WindowOutcome, WindowResult
from rankgen.generator.teachers.journal import WindowJournal, journalled_windows
from rankgen.manifests.records import Document
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.run.status import run_status
from rankgen.manifests.run.texts import write_documents
from rankgen.manifests.storage.shard import write_shard
from rankgen.students.training.evidence import read_evidence

PROSE = "I would rather not rank these."


def a_fails_twice() -> Behaviour:
    return first_of_a(answer(PROSE), answer(PROSE))


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
    places = np.arange(DEPTH)
    all_pairs = read_evidence(shard.run, (1.0, 0.5, 0.0)).weights("a", places)
    with_windows = RunDirectory(tmp_path / "undisturbed" / "run")
    assert windows.num_rows == 2 * WINDOWS
    same = read_evidence(with_windows, (1.0, 0.5, 0.0)).weights("a", places)
    assert all_pairs.tolist() == same.tolist()


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
    write_candidates(source)
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
    result = dataclasses.asdict(WindowResult((1, 0), usage=TokenUsage(20, 9)))
    before: Mapping[str, object] = {k: v for k, v in result.items() if k not in ("cut", "failed")}
    body = json.dumps({"key": "a", **before}).encode()
    (tmp_path / "w.jsonl").write_bytes(f"{zlib.crc32(body):08x} ".encode() + body + b"\n")
    assert WindowJournal(tmp_path).find("a") == WindowResult((1, 0), usage=TokenUsage(20, 9))


@pytest.mark.parametrize("values", [{"key": "a", "order": [1, 0]}, {"key": "a", "failed": {}}, []])
def test_a_line_of_another_version_stops_no_run(tmp_path: Path, values: object) -> None:
    body = json.dumps(values).encode()
    (tmp_path / "w.jsonl").write_bytes(f"{zlib.crc32(body):08x} ".encode() + body + b"\n")
    journal = WindowJournal(tmp_path)
    assert (journal.find("a"), journal.failed("a"), journal.damaged) == (None, (), 1)


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
