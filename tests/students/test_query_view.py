"""All there is to see of one query: its lists, how far passages moved, and what each call did."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from made_runs import LOGITS, documents_of, write_candidates, write_labels

from rankgen.generator.answers.outcomes import FailedCall, WindowOutcome, WindowResult
from rankgen.generator.answers.query_outcomes import QueryRanking, WindowRecord
from rankgen.generator.jobs.label.rows import window_table
from rankgen.manifests.errors import IncompleteRun, IntegrityProblem, UsageError
from rankgen.manifests.records import Query
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.schema import RANKINGS
from rankgen.manifests.storage.shard import write_shard
from rankgen.students.agreement.measures import kendall_tau
from rankgen.students.pages.opened_run import open_run
from rankgen.students.pages.passages import Passages
from rankgen.students.pages.query_view import RunView, query_view

WriteRun = Callable[..., Path]


def view_of(root: Path, query_id: str, **more: object) -> RunView:
    run = open_run(root)
    (view,) = query_view(query_id, [run], Passages([run.directory]), **more)["runs"]  # type: ignore[arg-type]  # each is one of its parameters
    assert view is not None
    return view


@pytest.fixture
def windowed(write_rankings: WriteRun) -> Path:
    """A list abcd that three calls order: cd is swapped, a call fails, then d goes to the top."""
    root = write_rankings("run", {"q": "dabc"}, {"q": "a query"}, dict.fromkeys("abcd", "text"))
    run = RunDirectory(root)
    row = run.read("rankings").to_pylist()[0] | {"retrieval_positions": [4, 1, 2, 3]}
    write_shard(
        run.shard_path("rankings", 0, 1), "rankings", pa.Table.from_pylist([row], RANKINGS), "f"
    )
    refused = FailedCall("no ids", WindowOutcome.MALFORMED, output_text="I would rather not")
    calls = (
        WindowRecord(0, 0, 2, 4, WindowResult((1, 0))),
        WindowRecord(
            0,
            1,
            0,
            3,
            WindowResult(
                (2, 0, 1),
                outcome=WindowOutcome.REPAIRED,
                missing=2,
                output_text="[3]!",
                failed=(refused,),
            ),
        ),
    )
    windows = window_table([QueryRanking("q", (3, 0, 1, 2), calls)])
    write_shard(run.shard_path("windows", 0, 1), "windows", windows, "f")
    return root


def test_steps_are_what_the_windows_did(windowed: Path) -> None:
    view = view_of(windowed, "q")
    assert (view["before"], view["after"]) == ([0, 1, 2, 3], [3, 0, 1, 2])
    assert view["rises"] == [3, -1, -1, -1]
    swapped, refused, repaired = view["steps"]
    assert (swapped["shown"], swapped["answer"]) == ([2, 3], [3, 2])
    assert swapped["after"] == [0, 1, 3, 2]
    assert (refused["outcome"], refused["reason"], refused["after"]) == (
        "malformed",
        "no ids",
        None,
    )
    assert refused["output_text"] == "I would rather not"
    # The second call was shown the list as the first one had left it.
    assert refused["shown"] == repaired["shown"] == [0, 1, 3]
    assert (repaired["answer"], repaired["named"]) == ([3, 0, 1], 1)
    assert repaired["after"] == view["after"]
    assert repaired["attempt"] == 2
    json.dumps(view, allow_nan=False)


def test_movement_is_that_of_compare(windowed: Path) -> None:
    moved = view_of(windowed, "q")["movement"]
    assert moved is not None
    assert moved["tau"] == pytest.approx(kendall_tau("abcd", "dabc"))
    assert (moved["largest_rise"], moved["largest_fall"]) == (3, 1)


def test_windows_that_do_not_fit_their_list(windowed: Path) -> None:
    run = RunDirectory(windowed)
    calls = (WindowRecord(0, 0, 2, 5, WindowResult((1, 0, 2))),)
    windows = window_table([QueryRanking("q", (3, 0, 1, 2), calls)])
    write_shard(run.shard_path("windows", 0, 1), "windows", windows, "f")
    with pytest.raises(IntegrityProblem, match="the windows of query q do not fit its list"):
        view_of(windowed, "q")


def test_an_added_passage_has_no_rank_before(write_rankings: WriteRun) -> None:
    root = write_rankings("run", {"q": "ab"}, {"q": "a query"}, {"a": "A", "b": "B"})
    run = RunDirectory(root)
    row = run.read("rankings").to_pylist()[0] | {"retrieval_positions": [0, 17]}
    table = pa.Table.from_pylist([row], RANKINGS)
    write_shard(run.shard_path("rankings", 0, 1), "rankings", table, "f")
    view = view_of(root, "q")
    assert (view["before_ranks"], view["rises"], view["movement"]) == ([17], [None, -1], None)


def test_a_quarantined_query_has_the_list_that_it_would_have_ranked(tmp_path: Path) -> None:
    candidates = write_candidates(tmp_path / "candidates", 12)
    labels = write_labels(tmp_path / "labels", candidates, failed=["x/y"])
    run = open_run(labels.root)
    assert "x/y" in set(run.query_ids())
    found = query_view("x/y", [run], Passages([run.directory]), {"x/y/d1": 2})
    (view,) = found["runs"]
    assert view is not None
    assert (view["status"], view["reason"], view["after"]) == (
        "quarantined",
        "the server said no",
        [],
    )
    shown = [found["documents"][place] for place in view["before"]]
    assert [one["doc_id"] for one in shown] == list(documents_of(Query("x/y", "")))
    assert [one["grade"] for one in shown] == [None, 2, None, None]
    assert shown[1]["title"] == "a title"


def test_a_half_finished_run_takes_texts_from_its_plan_and_its_candidates(tmp_path: Path) -> None:
    candidates = write_candidates(tmp_path / "candidates", 12)
    labels = write_labels(tmp_path / "labels", candidates, committed=1)
    run = open_run(labels.root)
    assert run.source is not None
    (query_id, *_) = run.query_ids()
    found = query_view(query_id, [run], Passages([run.directory, run.source]))
    assert found["text"] == f"what is {query_id}?"
    assert {one["text"] for one in found["documents"]} == {
        f"about {doc_id}" for doc_id in documents_of(Query(query_id, ""))
    }
    nothing = write_labels(tmp_path / "nothing", candidates, committed=0)
    with pytest.raises(IncompleteRun, match="has no rankings yet"):
        open_run(nothing.root)


def test_what_cannot_be_opened(tmp_path: Path) -> None:
    candidates = write_candidates(tmp_path / "candidates", 3)
    with pytest.raises(UsageError, match="has no rankings"):
        open_run(candidates.root)
    labels = write_labels(tmp_path / "labels", candidates, scores=LOGITS)
    run = open_run(labels.root)
    with pytest.raises(UsageError, match="query 9 is not in labels"):
        query_view("9", [run], Passages([]))
