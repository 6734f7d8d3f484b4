"""Rows with one list each: ids with scores, two orders, and rank_llm's candidates."""

from __future__ import annotations

import math
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from forms_read import lists_in, written
from hypothesis import given
from hypothesis import strategies as st

from rankgen.manifests.errors import UsageError
from rankgen.manifests.forms.text_ids import id_of_text
from rankgen.manifests.records import Document

IDS = st.text(st.characters(exclude_categories=("Cs",)), min_size=1)


def test_fullrank_keeps_both_orders(test_data: Path) -> None:
    samples = test_data / "teacher-samples"
    lists, losses = lists_in(
        "fullrank", samples / "fullrank-gpt4o-bm25-top100-sliding9.1000q.jsonl"
    )
    assert losses.model_dump(exclude_defaults=True) == {"rows": 1000}
    assert len({listed.query_id for listed in lists}) == 1000
    first = lists[0]
    assert (first.query_id, first.doc_ids[0]) == ("689440", "2071889")
    assert first.first_stage is not None
    assert first.first_stage[0] == "4600588"
    assert all(set(listed.doc_ids) == set(listed.first_stage or ()) for listed in lists)


def test_scores_order_a_list_and_equal_ones_keep_their_order(tmp_path: Path) -> None:
    table = pa.table(
        {
            "query_id": pa.array([7]),
            "document_ids": pa.array([[1, 2, 3, 4]]),
            "scores": pa.array([[0.5, 2.0, 0.5, -1.0]], pa.list_(pa.float32())),
            "positive_ids": pa.array([[2]]),
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    ((listed,), _) = lists_in("lightonai", tmp_path / "a.parquet")
    assert listed.query_id == "7"
    assert listed.doc_ids == ("2", "1", "3", "4")
    assert listed.scores == (2.0, 0.5, 0.5, -1.0)


def test_an_order_alone_is_kept(tmp_path: Path) -> None:
    row = {"query_id": "1", "doc_ids": ["b", "a"]}
    ((listed,), _) = lists_in("sentence-transformers", written(tmp_path / "a.jsonl", [row]))
    assert listed.doc_ids == ("b", "a")
    assert listed.scores is None


@given(IDS, st.lists(IDS, min_size=1, unique=True))
def test_ids_of_every_kind_stay_as_they_are(query_id: str, doc_ids: list[str]) -> None:
    row = {"query_id": query_id, "doc_ids": doc_ids}
    with TemporaryDirectory() as folder:
        by_lines = lists_in("lists", written(Path(folder) / "a.jsonl", [row]))[0]
        pq.write_table(pa.Table.from_pylist([row]), Path(folder) / "a.parquet")
        by_rows = lists_in("lists", Path(folder) / "a.parquet")[0]
    for (listed,) in (by_lines, by_rows):
        assert (listed.query_id, list(listed.doc_ids)) == (query_id, doc_ids)


def test_candidates_of_rank_llm_keep_their_order_scores_and_texts(tmp_path: Path) -> None:
    candidates = [
        {"docid": "7", "score": 1.0, "doc": {"title": "T", "contents": "seven"}},
        {"docid": 8, "score": 2.0, "doc": {"segment": "eight"}},
    ]
    rows = [
        {"query": {"text": "what", "qid": 30}, "candidates": candidates},
        {"query": {"text": "why"}, "candidates": candidates[:1]},
    ]
    lists, losses = lists_in("rank-llm", written(tmp_path / "a.jsonl", rows))
    assert (lists[0].query_id, lists[0].query) == ("30", "what")
    assert lists[0].doc_ids == ("7", "8")
    assert lists[0].scores == (1.0, 2.0)
    assert lists[0].documents == (Document("7", "T", "seven"), Document("8", "", "eight"))
    assert lists[1].query_id == id_of_text("why")
    assert losses.query_ids_from_texts == 1


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ({"qid": "1", "initial_list": ["a", "b"], "final_list": ["a"]}, "2 and 1|1 and 2"),
        (
            {"qid": "1", "initial_list": ["a", "b"], "final_list": ["a", "c"]},
            "not a permutation of initial_list .document c is in it 0 and 1 times",
        ),
        ({"qid": "1", "doc_ids": ["a", "b"], "scores": [1.0]}, "lists of 2 and 1"),
        ({"qid": "1", "doc_ids": ["a"], "scores": [math.nan]}, "nan is not a finite number"),
        ({"qid": "1", "doc_ids": ["a", 2.5]}, "2.5 is neither a text nor a whole number"),
        ({"qid": "", "doc_ids": ["a"]}, "has an empty qid"),
        ({"doc_ids": ["a"]}, "has no query id; its columns are doc_ids"),
        ({"qid": "1", "doc_ids": "a"}, "holds no list but a str"),
        ({"query": {"qid": "1"}, "candidates": [{"score": 1}]}, "candidate 1 has no document id"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, row: dict[str, object], fault: str) -> None:
    fine = {"qid": "0", "doc_ids": ["a"]}
    path = written(tmp_path / "a.jsonl", [fine, row])
    with pytest.raises(UsageError, match=rf"a\.jsonl line 2.*({fault})"):
        lists_in("lists", path)
