from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from rankgen.generator.cli import app
from rankgen.manifests.errors import UsageError
from rankgen.manifests.records import Candidates, Query
from rankgen.manifests.run.candidate_lists import CandidateLists
from rankgen.manifests.run.candidate_rows import candidate_table
from rankgen.manifests.run.query_table import QueryTable
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.storage.shard import write_shard
from rankgen.manifests.storage.string_pairs import place_of
from rankgen.retrieval.collections.open_collection import open_collection
from rankgen.retrieval.first_stage import Wanted
from rankgen.retrieval.runs import fuse
from rankgen.retrieval.runs.fusion import fused
from rankgen.retrieval.settings import parse_retriever

LISTS = st.lists(st.lists(st.sampled_from("abcdefgh"), unique=True), max_size=4)


def test_reciprocal_ranks_by_hand() -> None:
    order, scores = fused([["a", "b", "c"], ["c", "d"]], "rrf", 10)
    assert order == ["c", "a", "d", "b"]
    assert scores == pytest.approx([1 / 63 + 1 / 61, 1 / 61, 1 / 62, 1 / 62])


def test_the_union_takes_turns() -> None:
    assert fused([["a", "b", "c"], ["c", "d"]], "union", 10)[0] == ["a", "c", "b", "d"]
    assert fused([["a", "b"], []], "union", 1) == (["a"], [1.0])


@given(LISTS, st.sampled_from(["rrf", "union"]), st.integers(1, 9))
def test_a_fused_list_holds_each_document_once_and_its_cut_is_a_prefix(
    lists: list[list[str]], fusion: str, depth: int
) -> None:
    whole, scores = fused(lists, fusion, 100)  # type: ignore[arg-type]  # one of its names
    assert sorted(whole) == sorted({doc_id for doc_ids in lists for doc_id in doc_ids})
    assert scores == sorted(scores, reverse=True)
    assert fused(lists, fusion, depth)[0] == whole[:depth]  # type: ignore[arg-type]  # one of its names
    if fusion == "rrf":
        assert fused(lists[::-1], "rrf", 100)[0] == whole


def retrieve(*options: object) -> str:
    result = CliRunner().invoke(app, ["retrieve", *(str(option) for option in options)])
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.usefixtures("one_ray")
@pytest.mark.timeout(600)
def test_the_command_fuses_runs_and_refuses_those_of_another_corpus(tmp_path: Path) -> None:
    folder = tmp_path / "collection"
    folder.mkdir()
    (folder / "corpus.tsv").write_text("".join(f"{d}\ttext {d}\n" for d in "abcd"))
    (folder / "queries.tsv").write_text("q1\tone\nq2\ttwo\nq3\tthree\n")
    runs = {
        "one": "q1 Q0 a 1 3 x\nq1 Q0 b 2 2 x\nq2 Q0 d 1 1 x\n",
        "two": "q1 Q0 b 1 3 x\nq1 Q0 c 2 2 x\n",
    }
    for name, lines in runs.items():
        (tmp_path / f"{name}.trec").write_text(lines)
        recorded = f"recorded:{tmp_path / name}.trec"
        said = retrieve("--collection", folder, "--retriever", recorded, "--out", tmp_path / name)
        assert "recorded run, in the order of its score column: queries 3, " in said
    manifest = json.loads((tmp_path / "two" / "manifest.json").read_text())["predicate"]
    assert manifest["settings"]["recorded_run"]["queries_without_lines"] == 2
    both = f"fuse:{tmp_path / 'one'},{tmp_path / 'two'}"
    retrieve("--collection", folder, "--retriever", both, "--out", tmp_path / "fused")
    lists = CandidateLists(RunDirectory(tmp_path / "fused")).of(["q2", "q1"])
    assert [(found.query_id, found.doc_ids) for found in lists] == [
        ("q2", ("d",)),
        ("q1", ("b", "a", "c")),
    ]
    recipe = json.loads((tmp_path / "fused" / ".rankgen" / "plan.json").read_text())["recipe"]
    keys = {key: value for key, value in recipe.items() if key.startswith("retriever.")}
    assert keys.pop("retriever.inputs_sha256")
    assert keys == {"retriever.name": "fuse", "retriever.depth": 100, "retriever.fusion": "rrf"}
    retrieve(
        *("--collection", folder, "--retriever", both, "--fusion", "union", "--depth", 2),
        *("--out", tmp_path / "union"),
    )
    (found,) = CandidateLists(RunDirectory(tmp_path / "union")).of(["q1"])
    assert found.doc_ids == ("a", "b")
    (folder / "corpus.tsv").write_text("".join(f"{d}\tother {d}\n" for d in "abcd"))
    command = ["retrieve", "--collection", str(folder), "--retriever", both]
    refused = CliRunner().invoke(app, [*command, "--out", str(tmp_path / "other")])
    assert refused.exit_code == 2
    assert "was retrieved from another corpus" in refused.stderr


def test_lists_are_fused_portion_by_portion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fuse, "PORTION", 3)
    inputs = []
    for name, doc_ids, shards in (("one", ("a", "b"), 3), ("two", ("b", "c"), 2)):
        run = RunDirectory(tmp_path / name)
        queries = QueryTable(Query(f"q{n}", "") for n in range(len(inputs), 12))
        for shard in range(shards):
            asked = queries.of_shard(shard, shards)
            rows = candidate_table(Candidates(q.query_id, doc_ids, (2.0, 1.0)) for q in asked)
            write_shard(run.shard_path("candidates", shard, shards), "candidates", rows, "f")
        inputs.append(CandidateLists(run))
    settings = parse_retriever("fuse:one,two", fusion="union", depth=3)
    (tmp_path / "any.tsv").write_text("1\tone\n")
    collection = open_collection("", corpus=tmp_path / "any.tsv", queries=tmp_path / "any.tsv")
    wanted = Wanted(settings, collection, queries, tmp_path, frozenset())
    found = {c.query_id: c.doc_ids for c in fuse._fused_lists(inputs, wanted)}
    assert list(found) == sorted(found, key=place_of)
    assert found == {"q0": ("a", "b")} | {f"q{n}": ("a", "b", "c") for n in range(1, 12)}


def test_what_cannot_be_fused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'fuse' needs at least two runs"):
        parse_retriever("fuse")
    with pytest.raises(UsageError, match="'fuse' needs at least two runs"):
        parse_retriever(f"fuse:{tmp_path}")
    with pytest.raises(UsageError, match=r"fusion is not .*: 'sum'"):
        parse_retriever("fuse:a,b", fusion="sum")
