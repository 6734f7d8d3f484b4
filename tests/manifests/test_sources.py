"""Where shared rankings lie: files, folders, archives, and what form their first row has."""

from __future__ import annotations

import gzip
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from forms_read import written

from rankgen.manifests.errors import UsageError
from rankgen.manifests.forms.detect import find_form
from rankgen.manifests.forms.files.rows import read_rows
from rankgen.manifests.forms.registry import FORMS, SHAPES, shape_of
from rankgen.manifests.forms.shape import ListShape, RowShape
from rankgen.manifests.forms.sources.base import Source
from rankgen.manifests.forms.sources.beside import divided, document_rows, query_rows
from rankgen.manifests.forms.sources.opening import open_source

ROW: dict[str, object] = {"query_id": "1", "doc_ids": ["a"]}


def rows_of(source: Source) -> list[object]:
    return [row.fields for part in source.parts for row in read_rows(part)]


def test_a_folder_is_read_whole_in_the_order_of_names(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    for name, query_id in (("b.jsonl", "2"), ("a.jsonl", "1"), (".hidden.jsonl", "3")):
        written(folder / name, [{**ROW, "query_id": query_id}])
    plain = (folder / "a.jsonl").read_bytes()
    (folder / "c.jsonl.gz").write_bytes(gzip.compress(plain))
    with pa.CompressedOutputStream(str(folder / "d.ndjson.zst"), "zstd") as file:
        file.write(plain)
    (folder / "README.md").write_text("no rows")
    source = open_source(str(folder), tmp_path / "unpacked")
    names = [Path(part.name).name for part in source.parts]
    assert names == ["a.jsonl", "b.jsonl", "c.jsonl.gz", "d.ndjson.zst"]
    assert [row["query_id"] for row in rows_of(source)] == ["1", "2", "1", "1"]  # type: ignore[index]  # each is an object
    assert source.name == "set"


def test_compressed_files_may_have_parts_and_must_be_whole(tmp_path: Path) -> None:
    line = b'{"query_id": "1", "doc_ids": ["a"]}\n'
    packed = {
        "a.jsonl.gz": gzip.compress(line),
        "a.jsonl.zst": pa.compress(line, "zstd").to_pybytes(),
    }
    for name, content in packed.items():
        path = tmp_path / name
        path.write_bytes(content * 2)
        assert rows_of(open_source(str(path), tmp_path / "u")) == [ROW, ROW]
        path.write_bytes(content[:-3])
        with pytest.raises(UsageError, match=rf"{name} cannot be read"):
            rows_of(open_source(str(path), tmp_path / "u"))


def test_an_archive_is_read_like_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "set.zip"
    pq.write_table(pa.table({"query_id": ["1"], "doc_ids": [["a"]]}), tmp_path / "x.parquet")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("deep/a.jsonl", '{"query_id": "1", "doc_ids": ["a"]}\n')
        archive.write(tmp_path / "x.parquet", "deep/x.parquet")
    source = open_source(str(path), tmp_path / "unpacked")
    assert rows_of(source) == [ROW, ROW]
    assert source.parts[0].name == f"{path}!/deep/a.jsonl"
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(UsageError, match=r"set\.zip cannot be unpacked"):
        open_source(str(path), tmp_path / "again")


def test_the_digest_is_that_of_the_contents_alone(tmp_path: Path) -> None:
    one, other = written(tmp_path / "a.jsonl", [ROW]), written(tmp_path / "b.jsonl", [ROW])
    digests = {open_source(str(path), tmp_path / "u").sha256 for path in (one, other)}
    assert len(digests) == 1
    written(other, [ROW, ROW])
    assert open_source(str(other), tmp_path / "u").sha256 not in digests


def test_what_holds_no_rankings_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no file or folder"):
        open_source(str(tmp_path / "none"), tmp_path / "u")
    (tmp_path / "notes.md").write_text("x")
    with pytest.raises(UsageError, match="holds no file of rankings"):
        open_source(str(tmp_path), tmp_path / "u")


def test_texts_beside_rankings_are_told_apart(tmp_path: Path) -> None:
    for folder in ("scores", "queries", "documents"):
        (tmp_path / "set" / folder).mkdir(parents=True)
    written(tmp_path / "set" / "scores" / "a.jsonl", [ROW])
    written(tmp_path / "set" / "queries" / "a.jsonl", [{"query_id": 1, "query": "what"}])
    written(tmp_path / "set" / "documents" / "a.jsonl", [{"_id": d, "text": f"t{d}"} for d in "ab"])
    source = open_source(str(tmp_path / "set"), tmp_path / "u")
    beside = divided(source, None)
    assert rows_of(beside.ranked) == [ROW]
    assert list(query_rows(beside.queries, {"1"})) == [("1", "what")]
    assert list(document_rows(beside.documents, {"a"})) == [("a", "", "ta")]
    (tmp_path / "set" / "triples").mkdir()
    written(tmp_path / "set" / "triples" / "a.jsonl", [ROW])
    source = open_source(str(tmp_path / "set"), tmp_path / "u")
    with pytest.raises(UsageError, match="several sets of rankings: scores, triples"):
        divided(source, None)
    assert len(divided(source, "triples").ranked.parts) == 1
    with pytest.raises(UsageError, match="no rankings called 'scorse'"):
        divided(source, "scorse")


FIRST_ROWS: dict[str, object] = {
    "lists": {"query_id": "1", "doc_ids": ["a"], "labels": [1]},
    "scored-rows": {"qid": "1", "docno": "a", "score": 1},
    "pos-neg": {"query": "q", "pos": ["a"], "neg": ["b"]},
    "prompts": {"id": "1", "messages": [], "docids": ["a"], "scores": [1]},
}


@pytest.mark.parametrize("shape", FIRST_ROWS)
def test_the_shape_is_judged_by_the_first_row(tmp_path: Path, shape: str) -> None:
    path = written(tmp_path / "a.jsonl", [FIRST_ROWS[shape]])
    assert find_form("auto", open_source(str(path), tmp_path / "u")).form == shape


def test_lines_of_text_are_a_run_or_named_columns(tmp_path: Path) -> None:
    for line, shape in (
        ("q1 Q0 d1 1 2.5 tag", "trec-run"),
        ("q1\tQ0\td1\t1\t2.5\ta tag", "trec-run"),
        ("q1\tQ0\td1\t1\thigh\ttag", "trec-run"),
        ("rank\tqid\ta\tdocno\tscore\tb", "scored-rows"),
        ("qid\tdocno\tscore", "scored-rows"),
        ("q1\td1\t2.5", "scored-rows"),
    ):
        (tmp_path / "any.name").write_text(f"\ufeff{line}\r\n", "utf-8")
        source = open_source(str(tmp_path / "any.name"), tmp_path / "u")
        assert find_form("auto", source).preset.shape == shape
    (tmp_path / "any.name").write_text("")
    with pytest.raises(UsageError, match=r"any\.name is empty"):
        find_form("auto", open_source(str(tmp_path / "any.name"), tmp_path / "u"))


def test_another_form_than_the_named_one_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", [ROW])
    source = open_source(str(path), tmp_path / "u")
    with pytest.raises(UsageError, match="are not those of the form 'tevatron'") as refused:
        find_form("tevatron", source)
    assert refused.value.hint == "it has the shape 'lists'"
    with pytest.raises(UsageError, match="there is no form 'tevatorn'") as unknown:
        find_form("tevatorn", source)
    assert unknown.value.hint == "did you mean 'tevatron'?"
    written(path, [{"a": 1}])
    with pytest.raises(UsageError, match="has the columns a, which no form has"):
        find_form("auto", open_source(str(path), tmp_path / "u"))


@pytest.mark.parametrize("name", SHAPES)
def test_every_shape_reads_lists_or_rows(name: str) -> None:
    shape = shape_of(next(shape for shape in SHAPES if shape == name))
    assert isinstance(shape, ListShape) != isinstance(shape, RowShape)
    # Its own name is a form.
    assert FORMS[name].shape == name
