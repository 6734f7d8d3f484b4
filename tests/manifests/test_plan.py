"""Shards depend on query ids and their number alone; a plan is written once."""

from __future__ import annotations

import hashlib
import itertools
import random
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rankgen.manifests.errors import IntegrityProblem, UsageError
from rankgen.manifests.records import Query
from rankgen.manifests.run.plan import (
    Plan,
    default_shards,
    digest_of_queries,
    open_plan,
    planned_queries,
    read_plan,
)
from rankgen.manifests.run.query_table import QueryTable, shard_size
from rankgen.manifests.run.run_directory import RunDirectory

QUERIES = [Query(str(n), f"text {n}") for n in range(250)]


def make_plan(queries: list[Query], **recipe: int) -> Plan:
    return Plan(
        kind="label",
        tables=("rankings", "windows"),
        recipe=dict(recipe),
        settings={},
        shards=default_shards(len(queries)),
        queries=len(queries),
        queries_sha256=digest_of_queries(queries),
    )


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "rerank"},
        {"recipe": {"window": 10}},
        {"shards": 4},
        {"queries_sha256": "0" * 64},
        {"schema_version": 0},
    ],
)
def test_all_that_changes_the_published_bytes_changes_the_fingerprint(
    change: dict[str, object],
) -> None:
    plan = make_plan(QUERIES, window=20)
    assert plan.model_copy(update=change).fingerprint != plan.fingerprint
    shown = plan.model_copy(update={"settings": {"workers": 3}})
    assert shown.fingerprint == plan.fingerprint


def split(ids: Iterable[str], shards: int) -> list[list[str]]:
    table = QueryTable(Query(query_id, f"text of {query_id}") for query_id in ids)
    return [[q.query_id for q in table.of_shard(shard, shards)] for shard in range(shards)]


@given(st.sets(st.text(min_size=1), min_size=1, max_size=60), st.integers(1, 12), st.randoms())
def test_shards_partition_the_queries_whatever_their_order(
    ids: set[str], shards: int, shuffled: random.Random
) -> None:
    ordered = sorted(ids)
    made = split(ordered, shards)
    shuffled.shuffle(ordered)
    assert split(ordered, shards) == made
    hashed = sorted(ids, key=lambda query_id: hashlib.sha256(query_id.encode()).digest())
    bounds = [len(ids) * shard // shards for shard in range(shards + 1)]
    assert made == [sorted(hashed[a:b]) for a, b in itertools.pairwise(bounds)]
    sizes = [shard_size(len(ids), shard, shards) for shard in range(shards)]
    assert sizes == [len(shard) for shard in made]
    assert max(sizes) - min(sizes) <= 1


def test_a_shard_holds_a_hundred_queries_at_most() -> None:
    assert [default_shards(n) for n in (0, 1, 100, 101, 1000, 1001)] == [1, 1, 1, 2, 10, 11]


def test_membership_is_frozen_across_versions() -> None:
    """These are published file names; a change of the rule would orphan every existing run."""
    assert split([str(n) for n in range(6)], 3) == [["3", "4"], ["0", "1"], ["2", "5"]]


def test_the_digest_is_frozen_across_versions() -> None:
    """A fingerprint of before names the same run."""
    queries = [Query("b", ""), Query("a", "é\0 and \u2028"), Query("ä", "last")]
    digest = hashlib.sha256()
    for column in (["a", "b", "ä"], ["é\0 and \u2028", "", "last"]):
        encoded = [value.encode() for value in column]
        digest.update((3).to_bytes(8, "little"))
        digest.update(b"".join(len(value).to_bytes(8, "little") for value in encoded))
        digest.update(b"".join(encoded))
    assert digest_of_queries(queries) == digest.hexdigest()


def test_the_same_plan_opens_again_and_another_is_refused_with_the_difference(
    tmp_path: Path,
) -> None:
    run = RunDirectory(tmp_path / "run")
    plan = open_plan(run, make_plan(QUERIES, window=20), QUERIES)
    assert open_plan(run, make_plan(QUERIES, window=20), QUERIES[::-1]) == plan
    assert list(planned_queries(run, plan)) == sorted(QUERIES)
    run.commits.mkdir()
    (run.commits / "00000.0.json").write_text("{}")
    with pytest.raises(UsageError, match=r"another recipe: window 20 -> 10") as caught:
        open_plan(run, make_plan(QUERIES, window=10), QUERIES)
    assert caught.value.exit_code == 2
    with pytest.raises(UsageError, match="queries 250 -> 249"):
        open_plan(run, make_plan(QUERIES[1:], window=20), QUERIES[1:])


def test_a_plan_without_any_work_gives_way(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    open_plan(run, make_plan(QUERIES, window=20), QUERIES)
    changed = open_plan(run, make_plan(QUERIES[1:], window=10), QUERIES[1:])
    assert changed.recipe == {"window": 10}
    assert list(planned_queries(run, read_plan(run))) == sorted(QUERIES[1:])
    # One window in a journal is work.
    run.journal_of(0).mkdir(parents=True)
    (run.journal_of(0) / "writer.jsonl").write_text("")
    with pytest.raises(UsageError, match="another recipe: window 10 -> 20"):
        open_plan(run, make_plan(QUERIES[1:], window=20), QUERIES[1:])


def test_queries_that_were_not_planned_are_an_integrity_problem(tmp_path: Path) -> None:
    run, other = RunDirectory(tmp_path / "run"), RunDirectory(tmp_path / "other")
    plan = open_plan(run, make_plan(QUERIES), QUERIES)
    open_plan(other, make_plan(QUERIES[1:]), QUERIES[1:])
    (mine,), (foreign,) = (r.state.glob("queries-*.parquet") for r in (run, other))
    mine.write_bytes(foreign.read_bytes())
    with pytest.raises(IntegrityProblem, match="does not hold the planned queries"):
        planned_queries(run, plan)


def test_a_folder_that_is_not_ours_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(UsageError, match="not empty and is not a run"):
        open_plan(RunDirectory(tmp_path), make_plan(QUERIES), QUERIES)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
    with pytest.raises(UsageError, match="is not a run of rankgen"):
        read_plan(RunDirectory(tmp_path))


def test_a_damaged_plan_is_an_integrity_problem(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    plan = open_plan(run, make_plan(QUERIES), QUERIES)
    run.plan.write_text(run.plan.read_text()[:-20])
    with pytest.raises(IntegrityProblem, match="is damaged"):
        read_plan(run)
    next(run.state.glob("queries-*.parquet")).write_bytes(b"PAR1")
    with pytest.raises(IntegrityProblem, match="missing or damaged"):
        planned_queries(run, plan)
