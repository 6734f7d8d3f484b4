from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from beir_files import (
    DOCUMENTS,
    QUERIES,
    as_json,
    beir_folder,
    beir_with_corpus,
    write_lines,
)

from rankgen.manifests.errors import EnvironmentProblem, UsageError
from rankgen.manifests.records import Document, Query
from rankgen.retrieval.collections import distinct_ids as distinct_ids_module
from rankgen.retrieval.collections.open_collection import open_collection


def test_a_beir_folder_is_read_whole(tmp_path: Path) -> None:
    collection = open_collection(str(beir_folder(tmp_path / "mine")))
    assert collection.name == "mine"
    assert list(collection.documents()) == DOCUMENTS
    assert list(collection.queries()) == QUERIES
    assert list(collection.documents()) == DOCUMENTS, "a second pass starts anew"


def test_all_formats_give_the_same_collection(tmp_path: Path) -> None:
    beir = open_collection(str(beir_folder(tmp_path / "beir")))
    tsv = tmp_path / "tsv"
    write_lines(tsv / "corpus.tsv", ["docid\ttitle\tbody"] + ["\t".join(d) for d in DOCUMENTS])
    write_lines(tsv / "queries.tsv", ["\t".join(q) for q in QUERIES])
    parquet = tmp_path / "parquet"
    parquet.mkdir()
    columns = {"id": [d.doc_id for d in DOCUMENTS], "title": [d.title for d in DOCUMENTS]}
    columns["contents"] = [d.text for d in DOCUMENTS]
    pq.write_table(pa.table(columns), parquet / "corpus.parquet")
    pq.write_table(
        pa.table({"query_id": ["q1", "q2"], "query": [q.text for q in QUERIES]}),
        parquet / "queries.parquet",
    )
    for folder in (tsv, parquet):
        other = open_collection(str(folder))
        assert list(other.documents()) == DOCUMENTS
        assert list(other.queries()) == QUERIES
        assert other.digest() == beir.digest()
        assert other.queries_digest() == beir.queries_digest()


def test_a_zip_file_is_unpacked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANKGEN_CACHE", str(tmp_path / "cache"))
    beir_folder(tmp_path / "packed" / "mine")
    archive = Path(shutil.make_archive(str(tmp_path / "mine"), "zip", tmp_path / "packed"))
    for _ in range(2):
        collection = open_collection(str(archive))
        assert collection.name == "mine"
        assert list(collection.documents()) == DOCUMENTS
    assert len(list((tmp_path / "cache" / "unpacked").iterdir())) == 1


@pytest.mark.parametrize("fault", ["cut", "damaged", "encrypted", "unknown compression"])
def test_a_zip_file_that_cannot_be_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    monkeypatch.setenv("RANKGEN_CACHE", str(tmp_path / "cache"))
    archive = tmp_path / "mine.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("corpus.jsonl", as_json({"_id": "d1", "text": "word " * 500}))
    content = bytearray(archive.read_bytes())
    central = content.rindex(b"PK\x01\x02")
    if fault == "cut":
        del content[central:]
    elif fault == "damaged":
        content[45:60] = b"\xff" * 15
    else:
        # Flags stand at 6 and 8, the method at 8 and 10, of the two headers.
        shift, value = (0, 1) if fault == "encrypted" else (2, 77)
        content[6 + shift] = content[central + 8 + shift] = value
    archive.write_bytes(bytes(content))
    with pytest.raises(UsageError, match=r"mine\.zip cannot be unpacked"):
        open_collection(str(archive))
    assert not list((tmp_path / "cache").rglob("*.jsonl"))


def test_a_hugging_face_data_set_in_beir_s_layout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    folder = beir_folder(tmp_path / "mine")
    judged = as_json({"query-id": "q1", "corpus-id": "d2", "score": 1})
    write_lines(folder / "test.jsonl", [judged])
    names = {"corpus": "corpus", "queries": "queries", "qrels": "test"}
    files = {"corpus": "corpus.jsonl", "queries": "queries.jsonl", "qrels": "test.jsonl"}
    lines = ["---", "configs:"]
    for name, split in names.items():
        lines += [f"- config_name: {name}", "  data_files:", f"  - split: {split}"]
        lines += [f"    path: {files[name]}"]
    (folder / "README.md").write_text("\n".join([*lines, "---", ""]))
    collection = open_collection(f"hf:{folder}")
    assert list(collection.documents()) == DOCUMENTS
    assert list(collection.queries()) == QUERIES
    judged_only = open_collection(f"hf:{folder}", split="test")
    assert judged_only.qrels() == {"q1": {"d2": 1}}
    assert [query.query_id for query in judged_only.queries()] == ["q1"]
    with pytest.raises(UsageError, match="no judgements called 'dev'"):
        list(open_collection(f"hf:{folder}", split="dev").queries())


def test_a_data_set_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    # Both read the variable when they are first imported, which may be long ago.
    for library in ("huggingface_hub.constants", "datasets.config"):
        module = pytest.importorskip(library)
        monkeypatch.setattr(module, "HF_HUB_OFFLINE", True)
    with pytest.raises(EnvironmentProblem, match="cannot be obtained"):
        list(open_collection("hf:nobody/nothing").documents())


def test_named_files_replace_those_of_the_folder(tmp_path: Path) -> None:
    folder = beir_folder(tmp_path / "beir")
    corpus = write_lines(tmp_path / "collection.tsv", ["7\tseven"])
    queries = write_lines(tmp_path / "topics.tsv", ["1\tone"])
    assert list(open_collection("", corpus=corpus, queries=queries).documents()) == [
        Document("7", "", "seven")
    ]
    mixed = open_collection(str(folder), queries=queries)
    assert list(mixed.documents()) == DOCUMENTS
    assert list(mixed.queries()) == [Query("1", "one")]


def test_a_split_keeps_the_judged_queries(tmp_path: Path) -> None:
    folder = beir_folder(tmp_path / "beir")
    write_lines(folder / "qrels" / "test.tsv", ["query-id\tcorpus-id\tscore", "q2\td1\t1"])
    assert list(open_collection(str(folder), split="test").queries()) == [QUERIES[1]]
    with pytest.raises(UsageError, match="no judgements called 'tset'") as caught:
        open_collection(str(folder), split="tset")
    assert caught.value.hint == "did you mean 'test'?"


def test_the_digest_covers_ids_titles_texts_and_order(tmp_path: Path) -> None:
    variants = [
        [{"_id": "a", "title": "t", "text": "x"}, {"_id": "b", "title": "", "text": "y"}],
        [{"_id": "b", "title": "", "text": "y"}, {"_id": "a", "title": "t", "text": "x"}],
        [{"_id": "a", "title": "", "text": "t x"}, {"_id": "b", "title": "", "text": "y"}],
        [{"_id": "a", "title": "t", "text": "x"}, {"_id": "b", "title": "", "text": "z"}],
        [{"_id": "a", "title": "t", "text": "x"}, {"_id": "c", "title": "", "text": "y"}],
    ]
    digests = {
        beir_with_corpus(tmp_path / str(n), *map(as_json, records)).digest()
        for n, records in enumerate(variants)
    }
    assert len(digests) == len(variants)


def test_empty_passages_are_allowed_and_counted(tmp_path: Path) -> None:
    summary = open_collection(str(beir_folder(tmp_path))).summary()
    assert (summary.documents, summary.empty_documents) == (3, 1)


def test_equal_hashes_of_different_ids_are_no_duplicates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    collection = open_collection(str(beir_folder(tmp_path)))
    monkeypatch.setattr(distinct_ids_module, "hash", lambda _: 1, raising=False)
    assert list(collection.documents()) == DOCUMENTS


@pytest.mark.data
def test_cranfield_has_two_empty_documents(test_data: Path) -> None:
    summary = open_collection(str(test_data / "cranfield")).summary()
    assert (summary.documents, summary.empty_documents) == (1400, 2)


@pytest.mark.data
def test_scifact_splits(test_data: Path) -> None:
    counts = {
        split: len(list(open_collection(str(test_data / "scifact"), split=split).queries()))
        for split in ("train", "test")
    }
    assert counts == {"train": 809, "test": 300}
