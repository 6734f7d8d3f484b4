"""The sections of a page by hand: moves, compared pairs, scores and disagreements."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pytest

from rankgen.generator.answers.outcomes import WindowResult
from rankgen.generator.answers.query_outcomes import QueryRanking, WindowRecord
from rankgen.generator.jobs.label.rows import window_table
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.schema import RANKINGS
from rankgen.manifests.storage.shard import write_shard
from rankgen.students.agreement.coverage import coverage_of
from rankgen.students.pages.displacement import displacement_of
from rankgen.students.pages.judged import judged
from rankgen.students.pages.opened_run import OpenedRun, open_run
from rankgen.students.pages.outcomes import outcomes_of
from rankgen.students.pages.pair_coverage import seen_pairs
from rankgen.students.pages.score_shape import score_shape

WriteRun = Callable[..., Path]


@pytest.fixture
def opened(write_rankings: WriteRun) -> Callable[..., OpenedRun]:
    """Opens a run of lists, given as first-stage ranks in the teacher's order by query."""

    def write(lists: Mapping[str, Sequence[int]], **more: object) -> OpenedRun:
        orders = {q: [f"{q}{rank}" for rank in ranks] for q, ranks in lists.items()}
        texts = dict.fromkeys((d for order in orders.values() for d in order), "text")
        root = write_rankings("run", orders, dict.fromkeys(lists, "query"), texts, **more)
        run = RunDirectory(root)
        rows = run.read("rankings").to_pylist()
        rows = [row | {"retrieval_positions": list(lists[row["query_id"]])} for row in rows]
        path = run.shard_path("rankings", 0, 1)
        write_shard(path, "rankings", pa.Table.from_pylist(rows, RANKINGS), "f")
        return open_run(root)

    return write


def test_displacement_counts_moves(opened: Callable[..., OpenedRun]) -> None:
    # The added passage (0) was nowhere before, and 30 was the third of those that were drawn.
    found = displacement_of(opened({"a": (3, 1, 2), "b": (1, 2), "c": (30, 0, 7, 1)}))
    assert found is not None
    assert (found["depth"], found["width"], found["lists"], found["unchanged"]) == (3, 1, 3, 1)
    assert found["mean"] == pytest.approx((2 + 1 + 1 + 0 + 0 + 2 + 0 + 2) / 8)
    assert found["risen"] == 0
    cells = {(c["before"][0], c["after"][0]): (c["passages"], c["share"]) for c in found["cells"]}
    # Of three passages that stood first, one stayed.
    assert cells[1, 1] == (1, pytest.approx(1 / 3))
    assert cells[3, 1] == (2, 1.0)
    assert sum(passages for passages, _ in cells.values()) == 8


def test_displacement_in_wide_cells(opened: Callable[..., OpenedRun]) -> None:
    found = displacement_of(opened({"a": tuple(range(60, 0, -1))}))
    assert found is not None
    assert (found["width"], found["depth"], found["risen"]) == (3, 60, 10)
    assert {"before": (1, 3), "after": (58, 60), "passages": 3, "share": 1.0} in found["cells"]


def test_pairs_by_rank_add_up_to_the_coverage(opened: Callable[..., OpenedRun]) -> None:
    run = opened({"q": (1, 2, 3, 4)})
    calls = [
        WindowRecord(0, n, start, start + 2, WindowResult((0, 1)))
        for n, start in enumerate((2, 1, 0))
    ]
    windows = window_table([QueryRanking("q", (0, 1, 2, 3), tuple(calls[:2]))])
    write_shard(run.directory.shard_path("windows", 0, 1), "windows", windows, "f")
    found = seen_pairs(open_run(run.directory.root))
    assert found is not None
    assert found.coverage == coverage_of(run.directory) == pytest.approx((2 / 6, 1 / 6))
    cells = {(c["high"][0], c["low"][0]): (c["seen"], c["implied"]) for c in found.cells}
    assert cells[3, 4] == cells[2, 3] == (1, 0)
    assert cells[2, 4] == (0, 1)
    assert cells[1, 2] == cells[1, 3] == cells[1, 4] == (0, 0)


def test_outcomes_of_a_run_without_counts(opened: Callable[..., OpenedRun]) -> None:
    run = opened({"q": (1, 2)})
    assert outcomes_of(run) is None
    assert seen_pairs(run) is None
    result = WindowResult((0, 1), missing=1, duplicates=2, out_of_range=3, cut=1)
    windows = window_table([QueryRanking("q", (0, 1), (WindowRecord(0, 0, 0, 2, result),))])
    write_shard(run.directory.shard_path("windows", 0, 1), "windows", windows, "f")
    assert outcomes_of(open_run(run.directory.root)) == {
        "windows": {"ok": 1, "repaired": 0, "truncated": 0},
        "failed": {},
        "faults": {"ids_missing": 1, "ids_duplicate": 2, "ids_out_of_range": 3},
        "reasons": [],
        "cut": 1,
    }


def test_scores_by_rank(opened: Callable[..., OpenedRun]) -> None:
    lists = {"a": (1, 2, 3), "b": (1, 2), "c": (1,)}
    assert score_shape(opened(lists)) is None
    found = score_shape(opened(lists, scores={"a": [3.0, 2.0, 1.0], "b": [5.0, 4.0]}))
    assert found is not None
    assert (found["lists"], found["all_lists"]) == (2, 3)
    assert (found["least"], found["median"], found["most"]) == (1, 3, 5)
    assert [row["median"] for row in found["ranks"]] == [4, 3, 1]
    assert sum(bar["passages"] for bar in found["bars"]) == 5


def test_disagreements_with_judgements(opened: Callable[..., OpenedRun]) -> None:
    # A relevant passage falls from 1 to 12, another one within the top 10, and one that is not
    # relevant rises from 12 to 1.
    run = opened({"q": (12, 3, 2, *range(4, 12), 1), "unjudged": (1, 2)})
    qrels = {"q": {"q1": 2, "q12": 0, "q2": 1, "q3": 1}, "absent": {"x": 1}}
    found = judged(run, qrels)
    assert found is not None
    told, gains = found
    assert (told["queries"], told["worse"], told["better"]) == (1, 1, 0)
    assert told["demoted"] == [
        {"query_id": "q", "doc_id": "q1", "grade": 2, "before": 1, "after": 12}
    ]
    assert told["promoted"] == [
        {"query_id": "q", "doc_id": "q12", "grade": 0, "before": 12, "after": 1}
    ]
    assert gains == {"q": pytest.approx(told["teacher"] - told["first_stage"])}
    # Three of the teacher's top 10 are judged.
    assert told["unjudged"] == pytest.approx(0.7)
    first = [g for g in told["grades"] if g["order"] == "teacher" and g["ranks"] == (1, 1)]
    assert first == [{"order": "teacher", "ranks": (1, 1), "grade": 0, "passages": 1}]
    assert judged(run, {"absent": {"x": 1}}) is None
