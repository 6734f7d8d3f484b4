"""Corpora and queries that cannot be read: one sentence that names the file and the line."""

from __future__ import annotations

from pathlib import Path

import pytest
from beir_files import (
    beir_folder,
    beir_with_corpus,
    beir_with_queries,
    write_lines,
)

from rankgen.manifests.errors import UsageError
from rankgen.retrieval.collections.open_collection import open_collection


def test_missing_corpus(tmp_path: Path) -> None:
    folder = beir_folder(tmp_path)
    (folder / "corpus.jsonl").unlink()
    with pytest.raises(UsageError, match=r"has no corpus\.jsonl, corpus\.tsv or corpus\.parquet"):
        open_collection(str(folder))
    with pytest.raises(UsageError, match="there is no collection folder"):
        open_collection(str(tmp_path / "absent"))
    with pytest.raises(UsageError, match="there is no file"):
        open_collection(str(folder), corpus=tmp_path / "absent.jsonl")


def test_two_corpora_in_one_folder_are_ambiguous(tmp_path: Path) -> None:
    folder = beir_folder(tmp_path)
    write_lines(folder / "corpus.tsv", ["1\tone"])
    with pytest.raises(UsageError, match=r"both corpus\.jsonl and corpus\.tsv"):
        open_collection(str(folder))


GOOD = '{"_id": "1", "text": "x"}'
BAD_CORPORA = {
    "malformed JSON": ([GOOD, GOOD[:-1]], r"corpus\.jsonl line 2 is not JSON"),
    "not an object": ([GOOD, "[1]"], "line 2 is a JSON list, not an object"),
    "no id": ([GOOD, '{"text": "x"}'], "line 2 has no id"),
    "null id": (['{"_id": null, "text": "x"}'], "line 1 has no id"),
    "empty id": (['{"_id": "", "text": "x"}'], "line 1: the document has an empty id"),
    "white space in an id": (['{"_id": "a b", "text": "x"}'], "'a b' has white space"),
    "no text field": ([GOOD, '{"_id": "2", "title": "x"}'], "line 2 has no text"),
    "text of another type": (
        ['{"_id": "2", "text": ["x"]}'],
        "field text is not a string but of type list",
    ),
    "half a surrogate pair": (['{"_id": "2", "text": "\\ud800"}'], "line 1: .*surrogate"),
    "duplicate id": (
        [GOOD, '{"_id": "2", "text": "y"}', "", GOOD],
        r"line 4: document id '1' is already used in .*line 1",
    ),
    "nothing": ([""], "has no document at all"),
}


@pytest.mark.parametrize(("lines", "message"), BAD_CORPORA.values(), ids=BAD_CORPORA.keys())
def test_bad_corpora_are_refused_by_line(tmp_path: Path, lines: list[str], message: str) -> None:
    collection = beir_with_corpus(tmp_path, *lines)
    with pytest.raises(UsageError, match=message) as caught:
        collection.digest()
    assert "\n" not in caught.value.message
    assert caught.value.hint


BAD_QUERIES = {
    "duplicate id": ([GOOD, GOOD], r"queries\.jsonl line 2: query id '1' is already used in"),
    "no text": (['{"_id": "1", "text": " "}'], "line 1: query 1 has no text"),
    "nothing": ([], "has no query at all"),
}


@pytest.mark.parametrize(("lines", "message"), BAD_QUERIES.values(), ids=BAD_QUERIES.keys())
def test_bad_queries_are_refused_by_line(tmp_path: Path, lines: list[str], message: str) -> None:
    collection = beir_with_queries(tmp_path, *lines)
    with pytest.raises(UsageError, match=message):
        list(collection.queries())


def test_broken_utf8_names_the_byte_of_the_file(tmp_path: Path) -> None:
    folder = beir_folder(tmp_path)
    first = b'{"_id": "1", "text": "\xc3\xa9"}\n'
    second = b'{"_id": "2", "text": "\xe9"}\n'
    (folder / "corpus.jsonl").write_bytes(first + second)
    byte = len(first) + second.index(b"\xe9")
    with pytest.raises(UsageError, match=rf"line 2 is not UTF-8 text .* at byte {byte} of"):
        open_collection(str(folder)).digest()


def test_a_tsv_row_with_too_few_columns(tmp_path: Path) -> None:
    corpus = write_lines(tmp_path / "c.tsv", ["1\tone", "2"])
    queries = write_lines(tmp_path / "q.tsv", ["1\tone\ttwo\tthree"])
    collection = open_collection("", corpus=corpus, queries=queries)
    with pytest.raises(UsageError, match=r"c\.tsv line 2 has 1 column, not 2"):
        collection.digest()
    with pytest.raises(UsageError, match=r"q\.tsv line 1 has 4 columns and no header"):
        list(collection.queries())


def test_a_damaged_parquet_file(tmp_path: Path) -> None:
    corpus = tmp_path / "c.parquet"
    corpus.write_bytes(b"PAR1 and then nothing")
    queries = write_lines(tmp_path / "q.tsv", ["1\tone"])
    with pytest.raises(UsageError, match=r"c\.parquet cannot be read as Parquet"):
        open_collection("", corpus=corpus, queries=queries).digest()


def test_another_suffix_is_refused(tmp_path: Path) -> None:
    corpus = write_lines(tmp_path / "c.csv", ["1,one"])
    queries = write_lines(tmp_path / "q.tsv", ["1\tone"])
    with pytest.raises(UsageError, match=r"is not a \.jsonl, \.tsv or \.parquet file"):
        open_collection("", corpus=corpus, queries=queries).digest()
