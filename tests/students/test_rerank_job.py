"""`rankgen rerank` end to end on a tiny student, and the total order that it publishes."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from rankgen.generator.cli import app
from rankgen.generator.jobs.rerank.work import validate_reranked
from rankgen.manifests.errors import IntegrityProblem
from rankgen.manifests.long_documents.rule import ChunkRule
from rankgen.manifests.models.half_precision import is_fast
from rankgen.manifests.records import Candidates, Document
from rankgen.manifests.run.candidate_rows import candidate_table
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.trec import read_run, trec_eval_order
from rankgen.students.model.hardware import choose_hardware
from rankgen.students.model.loading import load_backbone
from rankgen.students.reranking.candidates import CandidateTexts, FirstStage
from rankgen.students.reranking.reranker import StudentReranker
from rankgen.students.reranking.strict_order import strictly_ordered, with_the_rest

pytestmark = pytest.mark.usefixtures("one_ray")

ROW = Candidates("q", ("b", "c", "a", "d"), (4.0, 3.0, 2.0, 1.0))
WORDS = ["moon", "water", "salt", "pepper", "iron", "cloud", "river", "stone"]


def test_equal_scores_keep_the_order_of_the_first_stage() -> None:
    ordered = strictly_ordered(ROW, [1.0, 2.0, 1.0, 1.0], "first-stage")
    assert ordered.doc_ids == ("c", "b", "a", "d")
    assert ordered.scores[:2] == (2.0, 1.0)
    assert ordered.scores[2] == np.nextafter(np.float32(1), np.float32(0))


def test_equal_scores_can_follow_trec_eval() -> None:
    assert strictly_ordered(ROW, [1.0, 2.0, 1.0, 1.0], "doc-id").doc_ids == ("c", "d", "b", "a")


def test_what_was_not_scored_follows_in_the_order_of_the_first_stage() -> None:
    ordered = strictly_ordered(ROW, [1.0, 2.0], "doc-id")
    assert ordered.doc_ids == ("c", "b", "a", "d")
    assert ordered.scores == (2.0, 1.0, 0.0, -1.0)


@settings(max_examples=100)
@given(
    st.lists(
        st.floats(-(2.0**100), 2.0**100, width=32) | st.sampled_from([0.0, 1.0, 1e8]), max_size=12
    ),
    st.integers(0, 4),
    st.sampled_from(["first-stage", "doc-id"]),
)
def test_scores_strictly_decrease_in_32_bits(scores: list[float], rest: int, ties: str) -> None:
    ids = tuple(f"d{number:02d}" for number in range(len(scores) + rest))
    row = Candidates("q", ids, tuple(float(-number) for number in range(len(ids))))
    ordered = strictly_ordered(row, scores, ties)  # type: ignore[arg-type]  # drawn from its values
    assert sorted(ordered.doc_ids) == sorted(ids)
    assert (np.diff(np.asarray(ordered.scores, dtype=np.float32)) < 0).all()
    given_scores = dict(zip(ids, scores, strict=False))
    kept = [given_scores[doc_id] for doc_id in ordered.doc_ids if doc_id in given_scores]
    assert kept == sorted(kept, reverse=True)


def test_a_score_that_is_no_number_is_named() -> None:
    with pytest.raises(IntegrityProblem, match="query q are not finite numbers"):
        strictly_ordered(ROW, [1.0, math.nan], "first-stage")


def test_a_student_that_gives_no_numbers_is_told(tiny_backbone: str) -> None:
    encoder = load_backbone(tiny_backbone, seed=1, query_tokens=8, passage_tokens=16, dropout=0.0)
    torch.nn.init.constant_(encoder.model.get_submodule("classifier").bias, math.nan)
    student = StudentReranker(encoder, choose_hardware("cpu", "fp32"), depth=2)
    queries, texts = {"q": "which is salt"}, {"b": "salt", "c": "iron"}
    documents = {doc_id: Document(doc_id, "", text) for doc_id, text in texts.items()}
    scored: list[int] = []
    ordered, failed = student.rerank([ROW], queries, documents, scored.append)
    reason = "the student's scores for query q are not finite numbers"
    assert (ordered, failed, sum(scored)) == ([], {"q": reason}, 2)
    with pytest.raises(IntegrityProblem, match=reason):
        student.scores(CandidateTexts((ROW,), queries, texts))


def test_tied_scores_are_refused_when_a_shard_is_checked() -> None:
    tied = candidate_table([Candidates("q", ("a", "b"), (1.0, 1.0 - 1e-12))])
    with pytest.raises(IntegrityProblem, match="do not strictly decrease"):
        validate_reranked({"candidates": tied}, ["q"], {})


@pytest.fixture
def student(tiny_backbone: str, tmp_path: Path) -> Path:
    folder = tmp_path / "student"
    load_backbone(tiny_backbone, seed=1, query_tokens=8, passage_tokens=16, dropout=0.0).save(
        folder
    )
    return folder


@pytest.fixture
def candidates(write_candidates: Callable[..., Path]) -> Path:
    documents = {f"d{i}": f"{WORDS[i]} {WORDS[i // 2]}" for i in range(8)}
    # The last passage says what the first says, so their scores are equal.
    documents["twin"] = documents["d0"]
    queries = {f"q{i}": f"which is {WORDS[i]}" for i in range(6)}
    ids = ["d0", *(f"d{i}" for i in range(1, 8)), "twin"]
    lists = {query: [(doc_id, 9.0 - i) for i, doc_id in enumerate(ids)] for query in queries}
    return write_candidates("candidates", lists, queries, documents)


def invoke(*arguments: object, code: int = 0) -> str:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == code, done.output
    return done.stdout if code == 0 else done.stderr


def test_rerank_publishes_a_run_that_evaluates_as_the_student_does(
    student: Path, candidates: Path, tmp_path: Path
) -> None:
    out = tmp_path / "reranked"
    command = ["rerank", "--student", student, "--candidates", candidates, "--out", out]
    command += ["--shards", 3, "--device", "cpu", "--precision", "fp32", "--json"]
    first = json.loads(invoke(*command, "--ties", "doc-id"))
    assert (first["queries"], first["shards"], first["candidates"]) == (6, 3, 54)
    run = read_run(out / "run.trec")
    published = {row.query_id: row for row in RunDirectory(out).candidates()}
    for query_id, lines in run.items():
        assert [line.doc_id for line in lines] == list(published[query_id].doc_ids)
        assert [line.doc_id for line in trec_eval_order(lines)] == [line.doc_id for line in lines]
        assert [line.score for line in lines] == list(published[query_id].scores)
        order = [line.doc_id for line in lines]
        assert order.index("twin") + 1 == order.index("d0")
    (tmp_path / "qrels").write_text("".join(f"q{i} 0 d{i} 2\nq{i} 0 twin 1\n" for i in range(6)))
    command = ["evaluate", "--qrels", tmp_path / "qrels", "--candidates", candidates]
    command += ["--student", student, "--run", out / "run.trec", "--json"]
    command += ["--precision", "fp32", "--device", "cpu", "--out", tmp_path / "report"]
    systems = json.loads(invoke(*command))["systems"]
    figures = {system["kind"]: system["measures"]["nDCG@10"] for system in systems}
    assert figures["run"] == pytest.approx(figures["student"], abs=1e-12)
    assert json.loads(invoke("verify", "--full", "--json", out))["problems"] == []
    # The folder stands wherever candidates stand.
    again = tmp_path / "again"
    invoke("label", "--candidates", out, "--teacher", "scripted:identity", "--out", again)
    assert RunDirectory(again).has_table("rankings")


def test_rerank_resumes_what_is_missing_and_refuses_another_student(
    student: Path, candidates: Path, tmp_path: Path
) -> None:
    out = tmp_path / "reranked"
    command = ["rerank", "--student", student, "--candidates", candidates, "--out", out]
    command += ["--shards", 3, "--device", "cpu", "--json"]
    # Begun on a machine of the other kind: there `auto` was what it is not here.
    begun, here = ("fp32", "bf16") if is_fast("bfloat16", "cpu") else ("bf16", "fp32")
    invoke(*command, "--precision", begun)
    whole = {path.name: path.read_bytes() for path in sorted((out / "candidates").iterdir())}
    trec = (out / "run.trec").read_bytes()
    # What a kill before the last commit would have left.
    (out / ".rankgen" / "commits" / "00001.0.json").unlink()
    (out / "candidates" / "train-00001-of-00003.parquet").unlink()
    (out / "run.trec").unlink()
    assert json.loads(invoke(*command))["resumed_shards"] == 2
    assert {p.name: p.read_bytes() for p in sorted((out / "candidates").iterdir())} == whole
    assert (out / "run.trec").read_bytes() == trec
    plan = json.loads((out / ".rankgen" / "plan.json").read_text())
    assert plan["recipe"]["precision"] == begun
    commits = [json.loads(path.read_text()) for path in (out / ".rankgen/commits").glob("*.json")]
    assert {commit["facts"]["is_bf16"] for commit in commits} == {begun == "bf16"}
    refused = invoke(*command, "--precision", here, code=2)
    assert f"was made by another recipe: precision {begun} -> {here}" in refused
    refused = invoke(*command, "--depth", 3, code=2)
    assert "was made by another recipe: depth null -> 3" in refused
    (student / "config.json").write_text((student / "config.json").read_text() + " ")
    assert "was made by another recipe: student" in invoke(*command, code=2)


def test_rerank_reads_long_documents_as_asked_and_resumes_by_that_rule_alone(
    student: Path, candidates: Path, tmp_path: Path
) -> None:
    out = tmp_path / "reranked"
    command = ["rerank", "--student", student, "--candidates", candidates, "--out", out]
    command += ["--device", "cpu", "--precision", "fp32"]
    by_words = ["--long-documents", "max", "--chunk-words", 1]
    done = CliRunner().invoke(app, [str(argument) for argument in [*command, *by_words]])
    assert done.exit_code == 0, done.output
    assert "was trained on documents of which it read its beginning alone" in done.stderr
    stage = FirstStage(RunDirectory(candidates))
    texts = stage.texts(stage.lists.values(), None)
    rule = ChunkRule("max", 1, 0, 16)
    expected = StudentReranker.load(str(student), "fp32", device="cpu", long_documents=rule)
    whole = StudentReranker.load(str(student), "fp32", device="cpu").scores(texts)
    for row in RunDirectory(out).candidates():
        scores = dict(zip(row.doc_ids, row.scores, strict=True))
        assert scores == pytest.approx(expected.scores(texts)[row.query_id], abs=1e-5)
        assert scores != pytest.approx(whole[row.query_id], abs=1e-3)
    refused = invoke(*command, code=2)
    assert "was made by another recipe: chunk_overlap 0 -> null" in refused


def test_rerank_of_nothing_says_so(student: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    command = ["rerank", "--candidates", tmp_path / "empty", "--out", tmp_path / "out"]
    assert "has no candidates" in invoke(*command, "--student", student, code=2)
    empty = invoke(*command, "--student", tmp_path / "empty", code=2)
    assert "holds no finished student" in empty
    wrong = invoke(*command, "--student", student, "--ties", "random", code=2)
    assert "ties" in wrong
    assert not (tmp_path / "out").exists()


def test_scores_below_a_large_one_still_decrease() -> None:
    for score in (0.0, 3e8, -3e8, 1e30):
        strict = with_the_rest([score], 6)
        assert (np.diff(np.asarray(strict, dtype=np.float32)) < 0).all()
    assert with_the_rest([3.0, 1.0], 5) == [3.0, 1.0, 0.0, -1.0, -2.0]
