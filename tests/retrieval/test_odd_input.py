"""Passages and queries that no search engine likes, and a disk that is too small for the index."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

pytestmark = pytest.mark.timeout(600)

RANKGEN = Path(sys.executable).with_name("rankgen")
TEXTS = {
    "d0": "alpha beta",
    "d1": "",
    "d2": " ".join(f"word{n}" for n in range(100_000)),
    "d3": "beta\x00gamma \u2028 alpha",
    "d4": "the of and to",
}
QUERIES = {
    "good": "alpha",
    "many": " ".join(f"word{n}" for n in range(5_000)),
    "nul": "beta\x00gamma",
    "stop": "the of and",
    "symbols": "?! \u2603 \u00ac",
    "syntax": 'alpha AND (beta OR "',
}


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("odd")
    for stem, texts in (("corpus", TEXTS), ("queries", QUERIES)):
        rows = [{"_id": identity, "text": text} for identity, text in texts.items()]
        (folder / f"{stem}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the index of the collection is kept once it is built."""
    return tmp_path_factory.mktemp("cache")


def retrieve(collection: Path, cache: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [str(RANKGEN), "retrieve", "--collection", str(collection), *words]
    environment = os.environ | {"RANKGEN_CACHE": str(cache)}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def said(done: subprocess.CompletedProcess[str]) -> list[str]:
    assert "Traceback" not in done.stderr
    return [line for line in done.stderr.splitlines() if not line.startswith("{")]


def test_odd_texts_are_found_or_named(collection: Path, cache: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = retrieve(collection, cache, "--out", str(out), "--max-failed", "3", "--json")
    assert done.returncode == 0, done.stderr
    lists = {
        row["query_id"]: row["doc_ids"] for row in pq.read_table(out / "candidates").to_pylist()
    }
    assert set(lists["good"]) == {"d0", "d3"}
    assert lists["many"] == ["d2"]
    assert set(lists["nul"]) == {"d0", "d3"}
    # BM25 reads no query language: these are words.
    assert set(lists["syntax"]) == {"d0", "d3"}
    assert set(QUERIES) - set(lists) == {"stop", "symbols"}
    texts = {row["doc_id"]: row["text"] for row in pq.read_table(out / "documents").to_pylist()}
    assert texts == {doc_id: TEXTS[doc_id] for doc_id in ("d0", "d2", "d3")}


def test_queries_without_words_are_one_sentence(
    collection: Path, cache: Path, tmp_path: Path
) -> None:
    done = retrieve(collection, cache, "--out", str(tmp_path / "out"))
    assert done.returncode == 4
    error, hint = said(done)
    assert error.startswith("error: 2 of 6 queries have no result in")
    assert "bm25 found no candidates for it" in error
    assert "--max-failed 2" in hint


def test_too_little_disk_leaves_nothing_that_is_used(
    collection: Path, mounted: Path, tmp_path: Path
) -> None:
    subprocess.run(["mount", "-o", "remount,size=512k", str(mounted)], check=True)
    out = str(tmp_path / "out")
    done = retrieve(collection, mounted / "cache", "--out", out, "--max-failed", "2")
    assert done.returncode == 3, done.stderr
    error, hint = said(done)
    assert "space" in error + hint
    assert not list((mounted / "cache" / "bm25").iterdir())
    subprocess.run(["mount", "-o", "remount,size=64m", str(mounted)], check=True)
    done = retrieve(collection, mounted / "cache", "--out", out, "--max-failed", "2")
    assert done.returncode == 0, done.stderr
