"""Several teachers' lists become one: by hand, by properties, and as a run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up_candidates import write_run
from typer.testing import CliRunner

import rankgen
from rankgen.generator.cli import app
from rankgen.generator.strategies.mixing import Method, TeacherList, mixed
from rankgen.manifests.records import Candidates, Query
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.teacher_scores import FACT

METHODS: tuple[Method, ...] = ("rrf", "borda", "median", "scores")


def lists(*orders: str) -> list[TeacherList]:
    return [TeacherList(list(order), [float(-n) for n in range(len(order))]) for order in orders]


def test_mixtures_by_hand() -> None:
    # Ranks of a: 1, 1, 4; of b: 2, 3, 1; of c: 3, 2, 2; of d: 4, 4, 3.
    three = lists("abcd", "acbd", "bcda")
    assert mixed(three, "borda") == (["a", "b", "c", "d"], [6.0, 6.0, 5.0, 1.0])
    assert mixed(three, "median") == (["a", "b", "c", "d"], [-1.0, -2.0, -2.0, -4.0])
    order, scores = mixed(three, "rrf")
    assert order == ["a", "b", "c", "d"]
    assert scores[0] == pytest.approx(1 / 61 + 1 / 61 + 1 / 64)


def test_scores_count_by_their_distance() -> None:
    sure = TeacherList(["a", "b", "c"], [10.0, 0.0, -1.0])
    other = TeacherList(["b", "a", "c"], [0.2, 0.1, 0.0])
    order, scores = mixed([sure, other], "scores")
    assert order == ["a", "b", "c"]
    # A scale of its own does not make a teacher's word count more.
    louder = TeacherList(other.doc_ids, [1000 * score for score in other.scores or ()])
    assert mixed([sure, louder], "scores")[1] == pytest.approx(scores)
    assert mixed([sure, TeacherList(["c", "b", "a"], [5.0] * 3)], "scores")[0] == ["a", "b", "c"]
    with pytest.raises(ValueError, match="no scores"):
        mixed([sure, TeacherList(["a", "b", "c"])], "scores")


@pytest.mark.parametrize("method", METHODS)
@given(orders=st.lists(st.permutations("abcdef"), min_size=1, max_size=4))
def test_a_mixture_is_a_permutation_and_knows_no_first(
    method: Method, orders: list[list[str]]
) -> None:
    given_lists = lists(*("".join(order) for order in orders))
    order, scores = mixed(given_lists, method)
    assert sorted(order) == list("abcdef")
    assert scores == sorted(scores, reverse=True)
    assert mixed(given_lists[::-1], method) == (order, scores)
    assert mixed(given_lists[:1] * 3, method)[0] == list(orders[0])


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    """Two label runs and one of other queries, on the same candidates."""
    ids = tuple("abcd")
    queries = [Query("1", "one"), Query("2", "two")]
    found = [Candidates(q.query_id, ids, (4.0, 3.0, 2.0, 1.0)) for q in queries]
    write_run(RunDirectory(tmp_path / "candidates"), found, queries, {d: f"text {d}" for d in ids})
    orders: Mapping[str, Mapping[str, str]] = {
        "x": {"1": "dcba", "2": "abcd"},
        "y": {"1": "dbca", "2": "badc"},
        "z": {"2": "abcd"},
    }
    for name, lists_of in orders.items():
        lines = (
            f"{query_id} Q0 {doc_id} {rank} {9 - rank} t\n"
            for query_id, order in lists_of.items()
            for rank, doc_id in enumerate(order, start=1)
        )
        (tmp_path / f"{name}.trec").write_text("".join(lines))
        rankgen.label(
            candidates=tmp_path / "candidates",
            out=tmp_path / name,
            teacher=f"recorded:{tmp_path / name}.trec",
            only=tuple(lists_of) if name == "z" else None,
        )
    return tmp_path


def mix(folder: Path, names: Sequence[str], *more: str) -> tuple[int, str]:
    command = ["mix", *(str(folder / name) for name in names), "--out", str(folder / "mixed")]
    result = CliRunner().invoke(app, [*command, *more])
    return result.exit_code, result.output


def test_a_mixed_run_is_a_run(labelled: Path) -> None:
    code, said = mix(labelled, "xy", "--method", "scores")
    assert code == 0, said
    assert "2 lists of 8 passages out of 2 runs" in said
    run = RunDirectory(labelled / "mixed")
    rows = {row["query_id"]: row for row in run.read("rankings").to_pylist()}
    assert rows["1"]["doc_ids"] == list("dbca")
    assert rows["1"]["retrieval_positions"] == [4, 2, 3, 1]
    assert rows["1"]["teacher_scores"] == sorted(rows["1"]["teacher_scores"], reverse=True)
    predicate = json.loads(run.manifest.read_text())["predicate"]
    assert predicate[FACT] == {"unit": "run score", "source": "mean of 2 teachers' scores"}
    assert [source["kind"] for source in predicate["sources"]] == ["label", "label"]
    assert run.texts("documents")["a"] == "text a"
    before = run.shard_paths("rankings")[0].read_bytes()
    assert mix(labelled, "xy", "--method", "scores")[0] == 0
    assert run.shard_paths("rankings")[0].read_bytes() == before
    verified = CliRunner().invoke(app, ["verify", "--full", str(run.root)])
    assert verified.exit_code == 0, verified.output


def test_queries_of_all_runs_are_mixed(labelled: Path) -> None:
    code, said = mix(labelled, "xyz")
    assert code == 0, said
    run = RunDirectory(labelled / "mixed")
    assert run.read("rankings")["query_id"].to_pylist() == ["2"]
    assert run.read("rankings")["teacher_scores"].null_count == 1
    assert json.loads(run.manifest.read_text())["predicate"]["lists_of_other_queries"] == 2
    code, said = mix(labelled, "xy")
    assert code == 2
    assert "was made by another recipe" in said


def test_what_cannot_be_mixed(labelled: Path) -> None:
    code, said = mix(labelled, "x")
    assert (code, "name two runs or more" in said) == (2, True)
    (labelled / "orders").mkdir()
    rankgen.label(
        candidates=labelled / "candidates", out=labelled / "orders" / "o", teacher="scripted:hash"
    )
    code, said = mix(labelled, ["x", "orders/o"], "--method", "scores")
    assert code == 2
    assert "2 rankings in" in said
    assert "--method rrf" in said
