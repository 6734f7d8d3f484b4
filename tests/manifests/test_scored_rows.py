"""Rows of scored documents in Parquet, JSONL and text columns."""

from __future__ import annotations

import math
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from forms_read import rows_in, texts_in, written

from rankgen.manifests.errors import UsageError
from rankgen.manifests.forms.text_ids import id_of_text

IDS = ["0007", "a b", "x/y", 'say "so"', "ü\u2028\U0001f600"]


def parquet(path: Path, **columns: object) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


def ids_of(path: Path, form: str = "scored-rows") -> list[tuple[str, str, float]]:
    return [(r["query_id"], r["doc_id"], r["score"]) for r in rows_in(form, path)[0]]


@pytest.mark.parametrize("names", [("qid", "docno"), ("query_id", "passage_id"), ("qid", "pid")])
def test_ids_stay_texts_in_every_format(tmp_path: Path, names: tuple[str, str]) -> None:
    expected = [(id_, id_, 0.5) for id_ in IDS]
    rows = [{names[0]: i, names[1]: i, "score": 0.5} for i in IDS]
    columns = {name: [row[name] for row in rows] for name in (*names, "score")}
    assert ids_of(parquet(tmp_path / "a.parquet", **columns)) == expected
    assert ids_of(written(tmp_path / "a.jsonl", rows)) == expected
    assert ids_of(written(tmp_path / "a.json", rows)) == expected
    tsv = tmp_path / "a.tsv"
    tsv.write_text("\t".join((*names, "score")) + "\n", "utf-8")
    with tsv.open("a", encoding="utf-8", newline="") as file:
        file.writelines(f"{i}\t{i}\t0.5\r\n" for i in IDS)
    assert ids_of(tsv) == expected


def test_whole_numbers_and_dictionaries_are_ids(tmp_path: Path) -> None:
    coded = pa.array(["a", "b", "a"]).dictionary_encode()
    path = parquet(tmp_path / "a.parquet", qid=[3, 1, 2], docno=coded, score=[1, 2, 3])
    assert ids_of(path) == [("3", "a", 1.0), ("1", "b", 2.0), ("2", "a", 3.0)]


def test_three_columns_need_no_header(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text("\ufeffq 1\td 1\t1e-3\nq 2\td 2\t-4\n", "utf-8")
    assert ids_of(path) == [("q 1", "d 1", 0.001), ("q 2", "d 2", -4.0)]


def test_pairs_of_texts_get_ids_of_their_texts(tmp_path: Path) -> None:
    rows = [{"query": "q", "document": d, "label": n} for n, d in enumerate(["one", "two\tx"])]
    path = written(tmp_path / "a.jsonl", rows)
    found, losses = rows_in("ettin", path)
    assert [row["doc_id"] for row in found] == [id_of_text("one"), id_of_text("two\tx")]
    assert {row["query_id"] for row in found} == {id_of_text("q")}
    assert losses.query_ids_from_texts == losses.doc_ids_from_texts == 2
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    same = parquet(tmp_path / "a.parquet", **columns)
    assert rows_in("ettin", same)[0] == found
    queries, documents = texts_in("ettin", same)
    assert queries == {id_of_text("q"): "q"}
    assert set(documents.values()) == {"one", "two\tx"}


@pytest.mark.parametrize("value", [math.nan, math.inf, 1e39, None])
def test_a_score_that_cannot_be_kept_is_named(tmp_path: Path, value: float | None) -> None:
    columns = {"qid": ["a", "b"], "docno": ["c", "d"], "score": [0.5, value]}
    where = "is missing" if value is None else "is not a finite number"
    with pytest.raises(UsageError, match=rf"a\.parquet row 2: the score .*{where}"):
        rows_in("scored-rows", parquet(tmp_path / "a.parquet", **columns))
    rows = [{"qid": "a", "docno": "c", "score": 0.5}, {"qid": "b", "docno": "d", "score": value}]
    with pytest.raises(UsageError, match=r"a\.jsonl line 2: the score"):
        rows_in("scored-rows", written(tmp_path / "a.jsonl", rows))


def test_a_missing_id_a_column_and_another_type_are_named(tmp_path: Path) -> None:
    path = parquet(tmp_path / "a.parquet", qid=["a", None], docno=["c", "d"], score=[1, 2])
    with pytest.raises(UsageError, match=r"a\.parquet row 2 has no query id"):
        rows_in("scored-rows", path)
    path = parquet(tmp_path / "a.parquet", qid=["a"], docno=["c"], points=[1])
    with pytest.raises(UsageError, match=r"has no column of a score; its columns are qid, docno, "):
        rows_in("scored-rows", path)
    path = parquet(tmp_path / "a.parquet", qid=["a"], docno=["c"], score=["high"])
    with pytest.raises(UsageError, match="score is of type string, not a number"):
        rows_in("scored-rows", path)
    path = parquet(tmp_path / "a.parquet", qid=[0.5], docno=["c"], score=[1])
    with pytest.raises(UsageError, match="query id is of type double"):
        rows_in("scored-rows", path)


def test_a_bad_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text("qid\tdocno\tscore\na\tb\t1\nc\td\n", "utf-8")
    with pytest.raises(UsageError, match=r"a\.tsv line 3 has 2 columns"):
        rows_in("scored-rows", path)
    path.write_text("qid\tdocno\tscore\na\tb\t1\nc\td\tx\n", "utf-8")
    with pytest.raises(UsageError, match=r"a\.tsv line 3: the score 'x' is not a number"):
        rows_in("scored-rows", path)
    path.write_text('"query_id","doc_id","score"\na,b,1\n', "utf-8")
    with pytest.raises(UsageError, match="separates its columns by commas"):
        rows_in("scored-rows", path)
    path.write_text('{"qid": "a"}\n', "utf-8")
    with pytest.raises(UsageError, match="holds JSON"):
        rows_in("scored-rows", path)
    path.write_text("a Q0 b c 1 2.0 t\n", "utf-8")
    with pytest.raises(UsageError, match="line 1 has 7 columns, and a TREC run has 6"):
        rows_in("scored-rows", path)
    path.write_text("a,b,1\n", "utf-8")
    with pytest.raises(UsageError, match="1 column between tabs and no names"):
        rows_in("scored-rows", path)


def test_a_cut_parquet_file_is_one_sentence(tmp_path: Path) -> None:
    path = parquet(tmp_path / "a.parquet", qid=["a"], docno=["c"], score=[1])
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(UsageError, match=r"a\.parquet cannot be read as Parquet after row 0"):
        rows_in("scored-rows", path)
