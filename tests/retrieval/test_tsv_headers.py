"""The first line of a TSV file: a header is read by its names, and data is never lost as one."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from beir_files import as_json, beir_folder, write_lines

from rankgen.manifests.errors import UsageError
from rankgen.manifests.records import Document, Query
from rankgen.retrieval.collections.collection import Collection
from rankgen.retrieval.collections.open_collection import open_collection

ROW = "p1\tsalt of the sea"
TOPIC = "t1\twhat is salt"


def collection_of(folder: Path, corpus: list[str], queries: list[str]) -> Collection:
    write_lines(folder / "corpus.tsv", corpus)
    write_lines(folder / "queries.tsv", queries)
    return open_collection(str(folder))


@pytest.mark.parametrize(
    "header", ["passage_id\ttext", "docno\tbody", "PID\tPassage", "doc id\tfull text", "_id\ttext"]
)
def test_headers_of_documents(tmp_path: Path, header: str) -> None:
    collection = collection_of(tmp_path, [header, ROW], [TOPIC])
    assert list(collection.documents()) == [Document("p1", "", "salt of the sea")]


@pytest.mark.parametrize(
    "header", ["topic\ttitle", "qid\tquery", "Query ID\tText", "number\ttitle"]
)
def test_headers_of_queries(tmp_path: Path, header: str) -> None:
    collection = collection_of(tmp_path, [ROW], [header, TOPIC])
    assert list(collection.queries()) == [Query("t1", "what is salt")]


def test_parts_that_each_begin_with_a_mark(tmp_path: Path) -> None:
    """As files of a Windows editor do that were joined; a mark in an id would lose its row."""
    mark = "\ufeff"
    rows = [f"{mark}{mark}docid\ttext", ROW, f"{mark}p2\tbread"]
    collection = collection_of(tmp_path, rows, [f"{mark}{TOPIC}", f"{mark}t2\tovens"])
    assert [document.doc_id for document in collection.documents()] == ["p1", "p2"]
    assert [query.query_id for query in collection.queries()] == ["t1", "t2"]
    lines = [f"{mark}{as_json({'_id': name, 'text': 'x'})}" for name in ("d1", "d2")]
    path = write_lines(tmp_path / "joined.jsonl", lines)
    collection = open_collection(str(tmp_path), corpus=path)
    assert [document.doc_id for document in collection.documents()] == ["d1", "d2"]


def test_columns_in_another_order_and_columns_that_are_not_read(tmp_path: Path) -> None:
    corpus = ["url\tTitle\tbody\tdocid", "http://x\tSea\tsalt\tp1"]
    collection = collection_of(tmp_path, corpus, ["text\tqid", "what is salt\tt1"])
    assert list(collection.documents()) == [Document("p1", "Sea", "salt")]
    assert list(collection.queries()) == [Query("t1", "what is salt")]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["key\ttext", ROW], r"line 1 looks like a header \(key, text\)"),
        (["passage_id\tsentence", ROW], r"looks like a header \(passage_id, sentence\)"),
        # A known name of several words beside one that is not known.
        (["identifier\tpassage text", ROW], r"looks like a header \(identifier, passage text\)"),
        (["docid,text", "p1,salt"], "line 1 has 1 column and no header that names them"),
        # Nothing of it is known, but the line below is of another shape.
        (["Kennung\tInhalt", ROW], r"looks like a header \(Kennung, Inhalt\)"),
        (['"doc_id"\t"text"', '"p1"\t"salt"'], "is quoted"),
        (['"p1"\t"salt"'], 'line 1: the cell "p1" is quoted'),
        (["id\ttext\ttext", "p1\ta\tb"], "names the column 'text' twice"),
        (["id\ttext", "p1\tsalt\tsea"], "line 2 has 3 columns, not 2"),
    ],
)
def test_what_is_refused(tmp_path: Path, lines: list[str], message: str) -> None:
    collection = collection_of(tmp_path, lines, [TOPIC])
    with pytest.raises(UsageError, match=message) as caught:
        list(collection.documents())
    assert caught.value.hint


@pytest.mark.parametrize(
    "lines",
    [
        [ROW],
        # Ids and texts of one word, one of them a column's name.
        ["id\tReturn the identity of an object", "abs\tReturn the absolute value"],
        ["d1\ttext", "d2\tbody"],
        ["salt\twhite", "sea\tblue"],
    ],
)
def test_data_stays_data_and_the_user_is_told(
    tmp_path: Path, lines: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    collection = collection_of(tmp_path, lines, [TOPIC])
    documents = [Document(line.split("\t")[0], "", line.split("\t")[1]) for line in lines]
    assert list(collection.documents()) == documents
    assert list(collection.documents()) == documents, "a second pass says nothing anew"
    said = capsys.readouterr().err
    first = documents[0].doc_id
    path = tmp_path / "corpus.tsv"
    assert f"no header in {path}; columns taken as id, text (first id: {first})" in said
    assert said.count("no header in") == 1


def test_quotation_marks_are_part_of_a_text_and_doubled_ones_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = ["id\ttext", 'p1\tthe "sea"', 'p2\t"the ""sea"""']
    collection = collection_of(tmp_path, corpus, ["qid\tquery", 't1\t"salt"'])
    assert [d.text for d in collection.documents()] == ['the "sea"', '"the ""sea"""']
    said = capsys.readouterr().err
    assert "corpus.tsv has texts in quotation marks, which are kept" in said
    assert "line 3" in said
    assert [query.text for query in collection.queries()] == ['"salt"']
    assert capsys.readouterr().err == ""


def test_unknown_fields_are_listed(tmp_path: Path) -> None:
    folder = beir_folder(tmp_path / "json")
    write_lines(folder / "corpus.jsonl", [as_json({"key": "1", "words": "x"})])
    with pytest.raises(UsageError, match="line 1 has no id; its fields are key, words"):
        list(open_collection(str(folder)).documents())
    pq.write_table(pa.table({"docid": ["1"], "words": ["x"]}), tmp_path / "c.parquet")
    collection = open_collection(str(folder), corpus=tmp_path / "c.parquet")
    with pytest.raises(UsageError, match="row 1 has no text; its fields are docid, words"):
        list(collection.documents())


def test_passages_that_name_their_document_too(tmp_path: Path) -> None:
    folder = beir_folder(tmp_path)
    rows = [{"docid": "D1", "pid": f"D1#{n}", "passage": f"part {n}"} for n in range(2)]
    write_lines(folder / "corpus.jsonl", [as_json(row) for row in rows])
    collection = open_collection(str(folder))
    assert [document.doc_id for document in collection.documents()] == ["D1#0", "D1#1"]
