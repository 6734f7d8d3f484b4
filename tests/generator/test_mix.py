"""Several teachers' lists become one: by hand, by properties, and as a run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from rankgen.generator.answers.query_outcomes import QueryRanking
from rankgen.generator.cli import app
from rankgen.generator.jobs.label.rows import ranking_table
from rankgen.generator.strategies.mixing import Method, TeacherList, mixed
from rankgen.manifests.records import Candidates, Document, Query
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.run.texts import write_documents, write_queries
from rankgen.manifests.schema import RANKINGS
from rankgen.manifests.storage.shard import write_shard
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


def test_ties_go_to_the_better_mean_rank() -> None:
    # Ranks of a: 2, 1, 4; of b: 3, 2, 1: one median, but b is higher on the whole.
    assert mixed(lists("cabd", "abcd", "bdca"), "median")[0][:2] == ["b", "a"]


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


def write_rankings(root: Path, orders: Mapping[str, str], *, scored: bool = True) -> None:
    """Writes shared rankings of the passages a to d, which the first stage had in that order."""
    run = RunDirectory(root)
    found = [Candidates(q, tuple("abcd"), (4.0, 3.0, 2.0, 1.0)) for q in orders]
    rankings = [
        (QueryRanking(one.query_id, tuple(map("abcd".index, orders[one.query_id])), ()), one)
        for one in found
    ]
    rows = ranking_table(rankings).to_pylist()
    for row in rows if scored else ():
        row["teacher_scores"] = [4.0, 3.0, 2.0, 1.0]
    table = pa.Table.from_pylist(rows, schema=RANKINGS)
    write_shard(run.shard_path("rankings", 0, 1), "rankings", table, "f")
    write_queries(run, [Query(q, f"query {q}") for q in orders], "f")
    write_documents(run, [Document(d, "", f"text {d}") for d in "abcd"], "f")


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    """Two runs of the same queries, one of fewer, and one without scores."""
    write_rankings(tmp_path / "x", {"1": "dcba", "2": "abcd"})
    write_rankings(tmp_path / "y", {"1": "dbca", "2": "badc"})
    write_rankings(tmp_path / "z", {"2": "abcd"})
    write_rankings(tmp_path / "o", {"1": "abcd", "2": "abcd"}, scored=False)
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
    assert [source["kind"] for source in predicate["sources"]] == ["unknown"] * 2
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
    assert "left out: 2 lists of queries that not every run ranks" in said
    code, said = mix(labelled, "xy")
    assert code == 2
    assert "was made by another recipe" in said


def test_what_cannot_be_mixed(labelled: Path) -> None:
    code, said = mix(labelled, "x")
    assert (code, "name two runs or more" in said) == (2, True)
    code, said = mix(labelled, "xyx")
    assert (code, "would count twice" in said) == (2, True)
    code, said = mix(labelled, "xo", "--method", "scores")
    assert code == 2
    assert "2 rankings in" in said
    assert "--method rrf" in said


def write_run(root: Path, **lists: str) -> Path:
    """Imports a run of passages with names of one letter."""
    lines = [
        f"{query} Q0 {doc} {rank} {9 - rank} t"
        for query, docs in lists.items()
        for rank, doc in enumerate(docs, start=1)
    ]
    root.with_suffix(".run").write_text("\n".join(lines) + "\n")
    command = ["import", "trec-run", str(root.with_suffix(".run")), "--out", str(root)]
    assert CliRunner().invoke(app, command).exit_code == 0
    return root


@pytest.mark.parametrize("method", METHODS)
def test_what_only_some_runs_rank_is_told_and_no_list_is_empty(
    tmp_path: Path, method: Method
) -> None:
    write_run(tmp_path / "a", p="abc", q="ab", r="a")
    write_run(tmp_path / "b", p="cbz", q="xy", s="a")
    code, said = mix(tmp_path, "ab", "--method", method)
    assert code == 0, said
    assert "1 list of 2 passages out of 2 runs" in said
    assert (
        "left out: 2 lists of queries that not every run ranks, 2 lists of which no passage is in "
        "every run, 2 passages that not every run has in that list"
    ) in said
    rows = RunDirectory(tmp_path / "mixed").read("rankings").to_pylist()
    assert [(row["query_id"], sorted(row["doc_ids"])) for row in rows] == [("p", ["b", "c"])]


def test_runs_of_other_candidates_cannot_be_mixed(tmp_path: Path) -> None:
    write_run(tmp_path / "a", p="ab")
    write_run(tmp_path / "b", p="xy")
    code, said = mix(tmp_path, "ab", "--method", "scores")
    assert (code, "rank no passage of a query in common" in said) == (2, True)
    assert not (tmp_path / "mixed").exists()
