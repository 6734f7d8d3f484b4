"""What `rankgen export` writes, and what it refuses."""

from __future__ import annotations

import gzip
import itertools
import json
import re
from pathlib import Path

import ir_measures
import pyarrow as pa
import pytest
from export_runs import ORDERS, SCORES, exported, rows_of, write_rankings
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from rankgen.generator.cli import app
from rankgen.manifests.errors import UsageError
from rankgen.manifests.forms.writers.base import WriteOptions
from rankgen.manifests.forms.writers.pairs import _pair
from rankgen.manifests.forms.writers.registry import WRITERS, writer_of
from rankgen.manifests.score_order import in_32_bits, strictly_decreasing
from rankgen.manifests.storage.object_store import open_root


@pytest.fixture
def scored(tmp_path: Path) -> Path:
    return write_rankings(tmp_path / "scored", ORDERS, SCORES)


@pytest.fixture
def ordered(tmp_path: Path) -> Path:
    return write_rankings(tmp_path / "ordered", ORDERS)


def test_a_run_has_our_order_in_trec_eval(tmp_path: Path) -> None:
    # Tied, out of order, and different only beyond 32 bits: each would be another order.
    scores = {"q1": [0.5, 0.5, 0.75, 0.5], "q2": [1e-30, 0.0, -0.0], "q3": [1.0, 1.0 + 1e-9]}
    run = write_rankings(tmp_path / "run", ORDERS, scores)
    done = exported("trec-run", run, tmp_path / "x.run")
    assert done.counts == {"lists_with_scores_against_order": 1, "scores_lowered": 5}
    read = [line.split() for line in (tmp_path / "x.run").read_text().splitlines()]
    assert done.rows == len(read) == 9
    for query_id, order in ORDERS.items():
        lines = [line for line in read if line[0] == query_id]
        assert [line[2] for line in lines] == order
        assert [int(line[3]) for line in lines] == list(range(1, len(order) + 1))
    # Ours is the only order in which every document gains: nDCG is 1.
    qrels = [
        ir_measures.Qrel(query_id, doc_id, len(order) - place)
        for query_id, order in ORDERS.items()
        for place, doc_id in enumerate(order)
    ]
    found = list(ir_measures.read_trec_run(str(tmp_path / "x.run")))
    assert ir_measures.calc_aggregate([ir_measures.nDCG @ 10], qrels, found) == {
        ir_measures.nDCG @ 10: pytest.approx(1.0)
    }


def test_a_run_of_an_order_alone_counts_down(ordered: Path, tmp_path: Path) -> None:
    exported("trec-run", ordered, tmp_path / "x.run.gz")
    lines = gzip.decompress((tmp_path / "x.run.gz").read_bytes()).decode().splitlines()
    assert lines[:4] == [
        "q1 Q0 d3 1 4.0 rankgen",
        "q1 Q0 d1 2 3.0 rankgen",
        "q1 Q0 d4 3 2.0 rankgen",
        "q1 Q0 d2 4 1.0 rankgen",
    ]


@given(st.lists(st.floats(-(2.0**100), 2.0**100, width=32)))
def test_lowered_scores_are_next_to_what_was_given(scores: list[float]) -> None:
    strict = strictly_decreasing(scores)
    assert in_32_bits(strict) == strict
    assert all(a > b for a, b in itertools.pairwise(strict))
    if all(a > b for a, b in itertools.pairwise(scores)):
        assert strict == scores
    assert all(new <= old for new, old in zip(strict, scores, strict=True))


def test_scored_rows(scored: Path, tmp_path: Path) -> None:
    exported("rank-distillm", scored, tmp_path / "x.parquet")
    rows = rows_of(tmp_path / "x.parquet")
    assert len(rows) == 9
    assert rows[1] == {"qid": "q1", "docno": "d1", "score": 2.25}


@pytest.mark.parametrize("suffix", [".jsonl", ".json", ".parquet"])
def test_lists_in_every_kind_of_file(scored: Path, tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"x{suffix}"
    exported("lightonai", scored, out, positives=1)
    by_query = {row["query_id"]: row for row in rows_of(out)}
    assert by_query["q2"] == {
        "query_id": "q2",
        "document_ids": ["d2", "d4", "d1"],
        "scores": [0.75, 0.25, 0.125],
        "positive_ids": ["d2"],
    }


def test_both_orders(ordered: Path, tmp_path: Path) -> None:
    exported("fullrank", ordered, tmp_path / "x.jsonl")
    assert rows_of(tmp_path / "x.jsonl")[0] == {
        "qid": "q1",
        "initial_list": ["d1", "d2", "d3", "d4"],
        "final_list": ["d3", "d1", "d4", "d2"],
    }


def test_labels_are_scores_or_what_is_asked_for(ordered: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="gave an order without scores") as raised:
        exported("labeled-list", ordered, tmp_path / "x.jsonl")
    assert raised.value.hint is not None
    assert "--scores order" in raised.value.hint
    exported("labeled-list", ordered, tmp_path / "x.jsonl", scores="order", depth=2)
    assert rows_of(tmp_path / "x.jsonl")[0] == {
        "query": "query q1?",
        "docs": ["text of d3", "text of d1"],
        "labels": [2.0, 1.0],
    }
    exported("labeled-list", ordered, tmp_path / "y.jsonl", scores="reciprocal")
    assert rows_of(tmp_path / "y.jsonl")[0]["labels"] == [1.0, 0.5, 1 / 3, 0.25]
    exported("labeled-list", ordered, tmp_path / "z.jsonl", scores="first-stage")
    assert rows_of(tmp_path / "z.jsonl")[0]["labels"] == [10 / 3, 10.0, 2.5, 5.0]


def test_titles_stand_before_texts(scored: Path, tmp_path: Path) -> None:
    exported("pairs", scored, tmp_path / "x.jsonl")
    assert rows_of(tmp_path / "x.jsonl")[2] == {
        "query": "query q1?",
        "passage": "Title d4 text of d4",
        "label": 0.5,
    }


def test_triples_are_drawn_by_seed_and_query(tmp_path: Path) -> None:
    orders = {f"q{n:02d}": [f"d{i:02d}" for i in range(20)] for n in range(6)}
    scores = {query_id: [20.0 - i for i in range(20)] for query_id in orders}
    run = write_rankings(tmp_path / "run", orders, scores, titles=False)
    fewer = {query_id: orders[query_id] for query_id in list(orders)[:3]}
    part = write_rankings(tmp_path / "part", fewer, scores, titles=False)

    def triples(source: Path, **more: object) -> list[dict[str, object]]:
        out = tmp_path / "x.jsonl"
        exported("triples", source, out, overwrite=True, **more)
        return sorted(rows_of(out), key=json.dumps)

    rows = triples(run)
    assert len(rows) == 60
    assert len({json.dumps(row) for row in rows}) == 60
    for row in rows:
        high, low = (int(str(row[side])[-2:]) for side in ("positive", "negative"))
        assert row["label"] == low - high > 0
    assert triples(run) == rows
    assert triples(run, seed=1) != rows
    assert triples(part) == [row for row in rows if row["query"] in triples_queries(fewer)]
    assert len(triples(run, per_query=1000)) == 6 * 190


def triples_queries(orders: dict[str, list[str]]) -> set[str]:
    return {f"query {query_id}?" for query_id in orders}


def test_a_triple_without_a_margin_is_left_out(tmp_path: Path) -> None:
    run = write_rankings(tmp_path / "run", {"q": ["a", "b", "c"]}, {"q": [1.0, 1.0, 0.5]})
    done = exported("triples", run, tmp_path / "x.jsonl")
    assert (done.rows, done.counts) == (2, {"pairs_without_margin": 1})


def test_numbers_of_pairs_name_each_pair_once() -> None:
    pairs = [_pair(number) for number in range(4950)]
    assert sorted(pairs) == [(i, j) for i in range(100) for j in range(i + 1, 100)]


def test_lists_without_a_positive_or_negative_passage_are_counted(
    scored: Path, tmp_path: Path
) -> None:
    for form in ("tevatron", "bge"):
        done = exported(form, scored, tmp_path / f"{form}.jsonl", positives=9)
        assert done.counts == {"lists_without_negatives": done.lists}
        none = exported(form, scored, tmp_path / f"{form}-0.jsonl", positives=0)
        assert none.counts == {"lists_without_positives": none.lists}


def test_positives_are_the_top(scored: Path, tmp_path: Path) -> None:
    exported("tevatron", scored, tmp_path / "x.jsonl", negatives=2)
    row = rows_of(tmp_path / "x.jsonl")[0]
    assert row["positive_passages"] == [
        {"docid": "d3", "title": "", "text": "text of d3", "score": 4.5}
    ]
    assert [p["docid"] for p in row["negative_passages"]] == ["d1", "d4"]
    exported("bge", scored, tmp_path / "y.jsonl", positives=3)
    assert rows_of(tmp_path / "y.jsonl")[0] == {
        "query": "query q1?",
        "pos": ["text of d3", "text of d1", "Title d4 text of d4"],
        "neg": ["Title d2 text of d2"],
        "pos_scores": [4.5, 2.25, 0.5],
        "neg_scores": [-1.0],
    }


def test_an_order_alone_has_no_score_columns(ordered: Path, tmp_path: Path) -> None:
    exported("bge", ordered, tmp_path / "x.jsonl")
    assert set(rows_of(tmp_path / "x.jsonl")[0]) == {"query", "pos", "neg"}
    exported("lists", ordered, tmp_path / "y.parquet")
    assert set(rows_of(tmp_path / "y.parquet")[0]) == {"query_id", "doc_ids"}


def test_requests_are_in_the_order_of_the_first_stage(scored: Path, tmp_path: Path) -> None:
    exported("rank-llm", scored, tmp_path / "x.jsonl", order="first-stage", depth=2)
    assert rows_of(tmp_path / "x.jsonl")[0] == {
        "query": {"text": "query q1?", "qid": "q1"},
        "candidates": [
            {"docid": "d1", "score": 10.0, "doc": {"text": "text of d1"}},
            {"docid": "d2", "score": 5.0, "doc": {"title": "Title d2", "text": "text of d2"}},
        ],
    }


def test_a_file_is_replaced_only_when_asked(scored: Path, tmp_path: Path) -> None:
    out = tmp_path / "x.parquet"
    exported("lists", scored, out)
    first = out.read_bytes()
    exported("lists", scored, out)
    assert out.read_bytes() == first
    with pytest.raises(UsageError, match="exists with another content"):
        exported("lists", scored, out, depth=1)
    assert out.read_bytes() == first
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["x.parquet"]
    exported("lists", scored, out, depth=1, overwrite=True)
    assert len(rows_of(out)[0]["doc_ids"]) == 1


@pytest.mark.parametrize(
    ("form", "name", "options", "problem"),
    [
        ("tevatorn", "x.jsonl", {}, "there is no form 'tevatorn'"),
        ("reasonrank", "x.jsonl", {}, "the form 'reasonrank' can be imported only"),
        ("trec-run", "x.jsonl", {}, "the form trec-run cannot be written as 'x.jsonl'"),
        ("lists", "x.parquet.gz", {}, "the form lists cannot be written as 'x.parquet.gz'"),
        ("lists", "", {}, "the form lists cannot be written as"),
        ("lists", "x.jsonl", {"positives": 1}, "has no use for --positives"),
        ("pairs", "x.jsonl", {"prompts": "list"}, "has no use for --prompts"),
        ("fullrank", "x.jsonl", {"order": "first-stage"}, "holds both orders"),
        ("twolar", "x.jsonl", {"scores": "order"}, "holds no scores"),
        ("lightning-ir", "x.parquet", {}, "cannot read the data set from the file name"),
        ("lightning-ir", "a.b__msmarco.parquet", {}, "cannot read the data set from the file"),
        ("lightning-ir", "x__.parquet", {}, "cannot read the data set from the file name"),
        ("lightning-ir", "x__m.parquet.zst", {}, "cannot be written as"),
        ("rank-llm-training", "x.json", {"prompts": "stored"}, "has no windows"),
        ("rank-llm-training", "x.json", {"prompt_profile": "x"}, "there is no prompt profile 'x'"),
    ],
)
def test_what_does_not_fit_is_one_sentence(
    scored: Path, tmp_path: Path, form: str, name: str, options: dict[str, object], problem: str
) -> None:
    with pytest.raises(UsageError, match=re.escape(problem)) as raised:
        exported(form, scored, tmp_path / name, **options)
    assert raised.value.hint
    assert not (tmp_path / name).is_file()


@pytest.mark.parametrize("bad", ["a b", "a\u00a0b", "a\tb", "\ufeffa", "a\u2028"])
def test_ids_that_no_run_can_express(tmp_path: Path, bad: str) -> None:
    run = write_rankings(tmp_path / "run", {"q": ["d", bad]})
    with pytest.raises(UsageError, match="white space, which a TREC run cannot express"):
        exported("trec-run", run, tmp_path / "x.run")
    exported("lists", run, tmp_path / "x.jsonl")
    assert rows_of(tmp_path / "x.jsonl")[0]["doc_ids"] == ["d", bad]


def test_scores_for_some_lists_only(tmp_path: Path) -> None:
    run = write_rankings(tmp_path / "run", ORDERS, {"q1": SCORES["q1"], "q3": SCORES["q3"]})
    with pytest.raises(UsageError, match="some lists have the teacher's scores and others"):
        exported("lists", run, tmp_path / "x.jsonl")


def test_a_score_that_is_none(tmp_path: Path) -> None:
    run = write_rankings(tmp_path / "run", {"q": ["a", "b"]}, {"q": [1.0, float("nan")]})
    with pytest.raises(Exception, match="ranking of query q: the score at rank 2 is nan"):
        exported("lists", run, tmp_path / "x.jsonl")


def test_every_writer_says_what_it_needs() -> None:
    for form in WRITERS:
        writer = writer_of(form)
        assert writer.about
        assert isinstance(writer.schema(WriteOptions(has_scores=True)), pa.Schema)


def test_the_command_tells_its_counts(scored: Path, tmp_path: Path) -> None:
    out = tmp_path / "x.jsonl"
    done = CliRunner().invoke(app, ["export", "lists", str(scored), "--out", str(out), "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == {
        "out": str(out),
        "form": "lists",
        "lists": 3,
        "documents": 9,
        "rows": 3,
        "counts": {},
        "quarantined": 0,
        "queries_left": 0,
    }


def test_a_store_takes_the_file_too(scored: Path, tmp_path: Path, s3_bucket: str) -> None:
    out = f"{s3_bucket}/exports/x.parquet"
    command = ["export", "lists", str(scored), "--out", out]
    assert CliRunner().invoke(app, command).exit_code == 0
    assert CliRunner().invoke(app, command).exit_code == 0
    other = CliRunner().invoke(app, [*command, "--depth", "1"])
    assert (other.exit_code, "exists with another content" in other.output) == (2, True)
    exported("lists", scored, tmp_path / "x.parquet")
    assert open_root(out).read_bytes() == (tmp_path / "x.parquet").read_bytes()
