"""How far two orders agree: by hand, by properties, and of runs as a user compares them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from rankgen.generator.answers.outcomes import WindowResult
from rankgen.generator.answers.query_outcomes import QueryRanking, WindowRecord
from rankgen.generator.cli import app
from rankgen.generator.jobs.label.rows import window_table
from rankgen.manifests.errors import UsageError
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.schema import RANKINGS
from rankgen.manifests.storage.shard import write_shard
from rankgen.students.agreement.compare import compare
from rankgen.students.agreement.coverage import coverage_of
from rankgen.students.agreement.measures import kendall_tau, overlap, rank_biased_overlap
from rankgen.students.agreement.settings import CompareSettings

WriteRun = Callable[..., Path]


def test_tau_by_hand() -> None:
    assert kendall_tau("abcd", "abcd") == 1
    assert kendall_tau("abcd", "dcba") == -1
    # One of six pairs is the other way round.
    assert kendall_tau("abcd", "bacd") == pytest.approx(4 / 6)


def test_rank_biased_overlap_by_hand() -> None:
    # Agreements at depths 1 to 3: 0, 2/2, 2/3; the last one stands for all that follows.
    p = 0.8
    expected = 0.2 * (0 + p * 1 + p**2 * 2 / 3) + p**3 * 2 / 3
    assert rank_biased_overlap("abc", "bax", p) == pytest.approx(expected)
    assert rank_biased_overlap("ab", "xy", p) == 0


def test_overlap_by_hand() -> None:
    assert overlap("abcd", "badc", 2) == 1
    assert overlap("abcd", "cdab", 2) == 0
    assert overlap("ab", "ab", 10) == 1


@given(order=st.permutations("abcdefgh"), p=st.floats(0.1, 0.99))
def test_agreement_is_symmetric_and_greatest_with_itself(order: list[str], p: float) -> None:
    start = sorted(order)
    assert kendall_tau(start, order) == pytest.approx(kendall_tau(order, start))
    there, back = rank_biased_overlap(start, order, p), rank_biased_overlap(order, start, p)
    assert there == pytest.approx(back)
    assert 0 <= there <= rank_biased_overlap(order, order, p) == pytest.approx(1)


@pytest.fixture
def runs(write_rankings: WriteRun) -> tuple[Path, Path]:
    texts = {doc_id: doc_id for doc_id in "abcdex"}
    queries = {"1": "one", "2": "two", "only here": "three"}
    one = {"1": "abcd", "2": "abc", "only here": "ab"}
    other = {"1": "bacdx", "2": "abc"}
    return (
        write_rankings("one", one, queries, texts),
        write_rankings("other", other, queries, texts),
    )


def test_runs_are_compared_on_what_they_share(runs: tuple[Path, Path]) -> None:
    comparison = compare(CompareSettings(runs=runs, top=2))
    assert [run.queries for run in comparison.runs] == [3, 2]
    (pair,) = comparison.pairs
    assert (pair.one, pair.other, pair.queries, pair.same) == ("one", "other", 2, 1)
    assert pair.passages_left_out == 1
    assert pair.tau == pytest.approx((4 / 6 + 1) / 2)
    assert pair.top == 1


def test_what_is_printed(runs: tuple[Path, Path]) -> None:
    shown = CliRunner().invoke(app, ["compare", *map(str, runs)])
    assert shown.exit_code == 0, shown.output
    assert "one ~ other" in shown.output
    assert "0.8333" in shown.output
    assert "passages that only one of two runs has are left out" in shown.output
    assert "2 of 2 queries of one ~ other have at most 10 common passages" in shown.output
    shown = CliRunner().invoke(app, ["compare", "--top", "3", *map(str, runs)])
    assert "1 of 2 queries of one ~ other have at most 3 common passages" in shown.output
    values = json.loads(CliRunner().invoke(app, ["compare", "--json", *map(str, runs)]).stdout)
    assert values["agreement"][0]["tau"] == pytest.approx(5 / 6)
    assert values["runs"][0]["coverage"] is None


def test_nothing_to_compare(runs: tuple[Path, Path], write_rankings: WriteRun) -> None:
    alone = CliRunner().invoke(app, ["compare", str(runs[0])])
    assert alone.exit_code == 2
    assert "name two runs or more" in alone.output
    strange = write_rankings("strange", {"9": "ab"}, {"9": "nine"}, {"a": "a", "b": "b"})
    with pytest.raises(UsageError, match="one and strange rank no query with two passages"):
        compare(CompareSettings(runs=(runs[0], strange)))


def test_coverage_counts_the_pairs_that_windows_showed(write_rankings: WriteRun) -> None:
    root = write_rankings("run", {"q": "abcd"}, {"q": "q"}, dict.fromkeys("abcd", "t"))
    # Two windows of two: ab and cd are seen, and no chain leads from one to the other.
    calls = [
        WindowRecord(0, n, start, start + 2, WindowResult((0, 1))) for n, start in ((0, 2), (1, 0))
    ]
    run = RunDirectory(root)
    windows = window_table([QueryRanking("q", (0, 1, 2, 3), tuple(calls))])
    write_shard(run.shard_path("windows", 0, 1), "windows", windows, "f")
    coverage = coverage_of(run)
    assert coverage is not None
    assert coverage == pytest.approx((2 / 6, 0))
    calls.append(WindowRecord(0, 2, 1, 3, WindowResult((0, 1))))
    windows = window_table([QueryRanking("q", (0, 1, 2, 3), tuple(calls))])
    write_shard(run.shard_path("windows", 0, 1), "windows", windows, "f")
    assert coverage_of(run) == pytest.approx((3 / 6, 3 / 6))


def written_with_kept_top(write: WriteRun, name: str, top: str, below: str) -> Path:
    """Writes a list of which the teacher's order of some documents was not kept."""
    texts = {doc_id: doc_id for doc_id in top + below}
    root = write(name, {"1": top}, {"1": "one"}, texts)
    path = RunDirectory(root).shard_paths("rankings")[0]
    (row,) = RunDirectory(root).read("rankings").to_pylist()
    table = pa.Table.from_pylist([row | {"unranked": list(below)}], schema=RANKINGS)
    path.unlink()
    write_shard(path, "rankings", table, "f")
    return root


def test_the_kept_top_of_a_list_is_held_against_the_whole_list(write_rankings: WriteRun) -> None:
    """Of the three that one teacher put first, the other put only one so high."""
    texts = {doc_id: doc_id for doc_id in "abcdef"}
    whole = write_rankings("whole", {"1": "defabc"}, {"1": "one"}, texts)
    root = written_with_kept_top(write_rankings, "top", "dab", "cef")
    (pair,) = compare(CompareSettings(runs=(root, whole), top=3)).pairs
    assert (pair.passages_left_out, pair.same, pair.short_lists) == (0, 0, 0)
    assert pair.tau == 1
    assert pair.top == pytest.approx(1 / 3)
    assert pair.rbo == pytest.approx(rank_biased_overlap("dab", "def", 0.9))


def test_kept_tops_with_little_in_common_count_too(write_rankings: WriteRun) -> None:
    one = written_with_kept_top(write_rankings, "one", "abc", "def")
    other = written_with_kept_top(write_rankings, "other", "cde", "abf")
    (pair,) = compare(CompareSettings(runs=(one, other), top=3)).pairs
    assert (pair.queries, pair.same) == (1, 0)
    assert pair.top == pytest.approx(1 / 3)
