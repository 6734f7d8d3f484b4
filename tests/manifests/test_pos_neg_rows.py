"""Rows of positive and negative passages, as Tevatron, RLHN, BGE and sbert write them."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from forms_read import lists_in, written

from rankgen.manifests.errors import UsageError
from rankgen.manifests.forms.registry import shape_of
from rankgen.manifests.forms.text_ids import id_of_text
from rankgen.manifests.records import Document


def passage(doc_id: str, **more: object) -> dict[str, object]:
    return {"docid": doc_id, "title": f"title {doc_id}", "text": f"text of {doc_id}", **more}


def test_tevatron_sample(test_data: Path) -> None:
    path = test_data / "teacher-samples" / "tevatron-pointwise.20q.jsonl"
    lists, losses = lists_in("tevatron", path)
    assert losses.model_dump(exclude_defaults=True) == {
        "rows": 20,
        "scores_from_sides": 623,
    }
    assert sum(len(ranked.doc_ids) for ranked in lists) == 623
    first = lists[0]
    assert (first.query_id, first.query) == ("1000094", "where is whitemarsh island")
    assert first.doc_ids[:2] == ("5399011", "2670040")
    assert first.scores is not None
    assert first.scores[:3] == (1.0, 0.0, 0.0)
    assert first.documents[0].title == "Whitemarsh Island, Georgia"


def test_scores_decide_the_order(tmp_path: Path) -> None:
    row = {
        "query_id": "007",
        "query": "q",
        "positive_passages": [passage("a", score=0.5)],
        "negative_passages": [passage("b", score=-1), passage("c", score=0.75)],
    }
    ((ranked,), _) = lists_in("rlhn", written(tmp_path / "x.jsonl", [row]))
    assert ranked.query_id == "007"
    assert ranked.doc_ids == ("c", "a", "b")
    assert ranked.scores == (0.75, 0.5, -1.0)
    assert ranked.documents[0] == Document("c", "title c", "text of c")


def test_bge_texts_have_ids_of_their_own(tmp_path: Path) -> None:
    row = {"query": "q", "pos": ["good"], "neg": ["bad", "good", "worse"], "prompt": "Rank."}
    ((ranked,), losses) = lists_in("bge", written(tmp_path / "x.jsonl", [row]))
    assert ranked.query_id == id_of_text("q")
    assert ranked.doc_ids == tuple(id_of_text(text) for text in ("good", "bad", "worse"))
    assert ranked.scores == (1.0, 0.0, 0.0)
    assert losses.model_dump(exclude_defaults=True) == {
        "rows": 1,
        "duplicate_rows": 1,
        "query_ids_from_texts": 1,
        "doc_ids_from_texts": 4,
        "scores_from_sides": 3,
    }


def test_sbert_negatives_of_several_systems(tmp_path: Path) -> None:
    row = {
        "qid": 3,
        "pos": [{"pid": 10, "ce-score": 9.5}],
        "neg": {"bm25": [{"pid": 11, "ce-score": 1.5}], "tas-b": [{"pid": 11, "ce-score": 1.5}]},
    }
    ((ranked,), losses) = lists_in("pos-neg", written(tmp_path / "x.jsonl", [row]))
    assert (ranked.query_id, ranked.doc_ids, ranked.scores) == ("3", ("10", "11"), (9.5, 1.5))
    assert (ranked.query, ranked.documents) == (None, ())
    assert losses.duplicate_rows == 1


def test_parquet_structs(tmp_path: Path) -> None:
    rows = {
        "query_id": ["1", "2"],
        "query": ["q1", "q2"],
        "positive_passages": [[passage("a")], []],
        "negative_passages": [[passage("b")], []],
    }
    pq.write_table(pa.table(rows), tmp_path / "x.parquet")
    ((ranked,), losses) = lists_in("tevatron", tmp_path / "x.parquet")
    assert ranked.doc_ids == ("a", "b")
    assert (losses.rows, losses.dropped_rows) == (2, 1)


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({"pos": ["a"]}, "line 2 has no list of passages; its columns are query, pos"),
        (
            {"pos": ["a", "b"], "neg": [], "pos_scores": [1.0]},
            "line 2: pos holds 2 passages but pos_scores 1 score",
        ),
        (
            {"pos": ["a"], "neg": ["b"], "pos_scores": [1.0]},
            "line 2: 1 of 2 passages have a score",
        ),
        (
            {"pos": ["a"], "neg": [], "pos_scores": [float("nan")]},
            "line 2, pos: the score nan is not a finite number",
        ),
        ({"pos": [3], "neg": []}, "line 2, pos: a passage is neither a text nor an object"),
        ({"pos": [{"title": ""}], "neg": []}, "line 2, pos: a passage has neither an id nor a"),
        ({"pos": "a", "neg": []}, "line 2: the column pos holds no list but a str"),
    ],
)
def test_bad_rows_are_named(tmp_path: Path, row: dict[str, object], problem: str) -> None:
    fine = {"query": "q", "pos": ["a"], "neg": ["b"]}
    path = written(tmp_path / "x.jsonl", [fine, {"query": "q2", **row}])
    with pytest.raises(UsageError) as raised:
        lists_in("bge", path)
    assert problem in raised.value.message
    assert str(path) in raised.value.message


def test_rows_with_scores_among_rows_without(tmp_path: Path) -> None:
    rows = [
        {"query": "q", "pos": ["a"], "neg": ["b"], "pos_scores": [2.0], "neg_scores": [1.0]},
        {"query": "r", "pos": ["a"], "neg": ["b"]},
    ]
    for order, problem in ((1, "has no scores, unlike"), (-1, "has scores, unlike")):
        with pytest.raises(UsageError, match=f"line 2 {problem} the rows before"):
            lists_in("bge", written(tmp_path / "x.jsonl", rows[::order]))


def test_what_is_of_this_shape() -> None:
    shape = shape_of("pos-neg")
    assert shape.fits({"query": "q", "pos": ["a"], "neg": ["b"]})
    assert shape.fits({"query": "q", "positive_passages": [], "negative_passages": []})
    assert not shape.fits({"query": "q", "positive_passages": [], "retrieved_passages": []})
    assert not shape.fits({"query": "q", "positive": "a text", "negative": "another"})
    assert not shape.fits({"query_id": "q", "doc_ids": ["a"]})
