"""Lists made of rows: as the rules of recorded runs order them, whatever the rows' order."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rankgen.manifests.errors import UsageError
from rankgen.manifests.forms.accounting import Tally
from rankgen.manifests.forms.collected.buckets import Buckets
from rankgen.manifests.forms.collected.found_lists import FoundLists, tied_scores
from rankgen.manifests.forms.collected.gathering import OrderRule, gathered
from rankgen.manifests.forms.collected.shared_tables import checked, packed
from rankgen.manifests.forms.shape import SCORED_ROWS
from rankgen.manifests.forms.shared_list import SharedList
from rankgen.manifests.storage.column_digest import sha256_of_lists
from rankgen.manifests.storage.digest import sha256_of_lines
from rankgen.manifests.storage.string_pairs import place_of
from rankgen.manifests.trec import RunLine
from rankgen.retrieval.runs.run_order import Order, ordered

# Two that differ in 64 bits alone, and two zeros.
SCORES = st.sampled_from([0.1, 0.1 + 1e-12, 0.0, -0.0, 2.0, -3.5])
LINES = st.lists(
    st.builds(
        RunLine,
        st.sampled_from(["a", "b", "0007"]),
        st.sampled_from(["d1", "d2", "d10", "ü", "Z", "d 3"]),
        st.integers(-2, 3),
        SCORES,
    ),
    min_size=1,
    max_size=30,
)


def rows_of(lines: list[RunLine]) -> pa.Table:
    columns = {
        "query_id": [line.query_id for line in lines],
        "doc_id": [line.doc_id for line in lines],
        "score": [line.score for line in lines],
        "rank": [line.rank for line in lines],
        "place": list(range(len(lines))),
    }
    return pa.table(columns, schema=SCORED_ROWS)


@given(LINES, st.sampled_from(["score", "rank"]), st.sampled_from([None, 1, 2]))
def test_lists_are_those_of_a_recorded_run(
    lines: list[RunLine], order: Order, depth: int | None
) -> None:
    tally = Tally()
    found = gathered(rows_of(lines), OrderRule(order, "doc-id", depth), "drop", tally)
    expected = {
        query_id: ordered([line for line in lines if line.query_id == query_id], order)
        for query_id in {line.query_id for line in lines}
    }
    assert {row["query_id"]: row["doc_ids"] for row in found.to_pylist()} == {
        query_id: [line.doc_id for line in rows[:depth]] for query_id, rows in expected.items()
    }
    kept = sum(map(len, expected.values()))
    cut = kept - sum(len(rows[:depth]) for rows in expected.values())
    losses = tally.losses()
    assert (losses.duplicate_rows, losses.dropped_rows) == (len(lines) - kept, cut)


def test_equal_scores_keep_the_order_of_the_source() -> None:
    lines = [RunLine("q", doc_id, 1, score) for doc_id, score in zip("bca", (1, 1, 2), strict=True)]
    found = gathered(rows_of(lines), OrderRule("score", "source"), "drop", Tally())
    assert found["doc_ids"].to_pylist() == [["a", "b", "c"]]
    assert tied_scores(found) == 2


def test_a_repeated_row_can_be_refused() -> None:
    lines = [RunLine("q", "d", 1, 1.0), RunLine("q", "e", 2, 0.5), RunLine("q", "d", 3, 0.2)]
    with pytest.raises(UsageError, match="row 3 of the source: query q lists document d twice"):
        gathered(rows_of(lines), OrderRule(), "refuse", Tally())


@given(LINES)
def test_buckets_hold_whole_queries_in_the_order_of_shards(lines: list[RunLine]) -> None:
    with TemporaryDirectory() as folder:
        buckets = Buckets(Path(folder) / "rows", SCORED_ROWS)
        for start in range(0, len(lines), 7):
            buckets.add(rows_of(lines).slice(start, 7))
        lists = FoundLists(Path(folder) / "lists")
        for _, rows in buckets.drain():
            if rows.num_rows:
                lists.add(gathered(rows, OrderRule(), "drop", Tally()))
        lists.settle("refuse", Tally())
        query_ids = lists.between(0, len(lists))["query_id"].to_pylist()
        assert query_ids == sorted({line.query_id for line in lines}, key=place_of)
        parts = [lists.between(n, n + 1)["query_id"].to_pylist() for n in range(len(lists))]
        assert parts == [[query_id] for query_id in query_ids]
        whole = gathered(rows_of(lines), OrderRule(), "drop", Tally())
        assert {row["query_id"]: row for row in lists.between(0, 9).to_pylist()} == {
            row["query_id"]: row for row in whole.to_pylist()
        }


def test_lists_of_one_bucket_are_in_the_order_of_shards(tmp_path: Path) -> None:
    lists = FoundLists(tmp_path)
    query_ids = [f"q{number}" for number in range(500)]
    for table in packed(SharedList("", query_id, ("d",)) for query_id in query_ids):
        lists.add(table)
    lists.settle("refuse", Tally())
    found = lists.between(0, 500)["query_id"].to_pylist()
    assert found == sorted(query_ids, key=place_of)
    assert lists.between(123, 321)["query_id"].to_pylist() == found[123:321]


def test_a_second_list_of_a_query_is_named_or_dropped(tmp_path: Path) -> None:
    given_lists = [SharedList(f"a.jsonl line {n}", "q", (doc,)) for n, doc in ((1, "x"), (2, "y"))]
    for duplicates in ("refuse", "drop"):
        lists, tally = FoundLists(tmp_path / duplicates), Tally()
        for table in packed(given_lists):
            lists.add(table)
        if duplicates == "refuse":
            with pytest.raises(UsageError, match=r"line 2: query q has a second .*a\.jsonl line 1"):
                lists.settle(duplicates, tally)
        else:
            lists.settle(duplicates, tally)  # type: ignore[arg-type]  # a literal
            assert lists.between(0, 1)["doc_ids"].to_pylist() == [["x"]]
            assert tally.losses().duplicate_rows == 1


def test_a_list_is_checked_freed_of_repeats_and_cut() -> None:
    listed = SharedList(
        "a line 1", "q", ("c", "a", "c", "b"), (4.0, 3.0, 2.0, 1.0), ("a", "b", "c", "c")
    )
    with pytest.raises(UsageError, match="a line 1: query q lists document c twice"):
        checked(listed, "refuse", None, Tally())
    tally = Tally()
    kept = checked(listed, "drop", 2, tally)
    assert kept is not None
    assert (kept.doc_ids, kept.scores, kept.first_stage) == (("c", "a"), (4.0, 3.0), ("a", "c"))
    assert (tally.losses().duplicate_rows, tally.losses().dropped_rows) == (1, 1)
    with pytest.raises(UsageError, match="a line 1 has 1 score for 4 documents"):
        checked(listed._replace(scores=(1.0,)), "drop", None, Tally())
    with pytest.raises(UsageError, match="not a permutation of the first stage"):
        checked(listed._replace(first_stage=("a", "b", "x")), "drop", None, Tally())
    with pytest.raises(UsageError, match="the score inf is not"):
        checked(SharedList("w", "q", ("a",), (float("inf"),)), "drop", None, Tally())
    assert checked(SharedList("w", "q", ()), "drop", None, tally) is None


@given(st.lists(st.lists(st.text(st.characters(exclude_categories=("Cs",))))), st.integers(0, 3))
def test_digests_of_lists_are_those_of_their_lines(lists: list[list[str]], skipped: int) -> None:
    column = pa.array(lists, pa.list_(pa.string())).slice(skipped)
    expected = [sha256_of_lines(lines) for lines in lists[skipped:]]
    assert sha256_of_lists(column) == expected


def test_ties_are_counted_in_32_bits() -> None:
    scores = [0.1, 0.1 + 1e-12, 0.0, -0.0, 5.0]
    lines = [RunLine("q", f"d{n}", 1, score) for n, score in enumerate(scores)]
    lines.append(RunLine("other", "d", 1, 5.0))
    lists = gathered(rows_of(lines), OrderRule(), "drop", Tally())
    assert tied_scores(lists) == 4
    assert tied_scores(lists.slice(0, 0)) == 0
    assert np.float32(0.1) == np.float32(0.1 + 1e-12)
