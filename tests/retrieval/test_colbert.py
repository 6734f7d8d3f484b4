"""ColBERT against colbert-ai's own Searcher on the same index; builders that are killed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from codec_of_gpus import by_the_codec_of_gpus
from typer.testing import CliRunner

from rankgen.generator.cli import app
from rankgen.manifests.errors import IntegrityProblem, UsageError
from rankgen.manifests.records import Candidates, Query
from rankgen.retrieval.colbert.build import BuildRequest, build
from rankgen.retrieval.colbert.index import RESIDUAL_BITS
from rankgen.retrieval.collections.open_collection import open_collection
from rankgen.retrieval.first_stage import RetrieverHandle
from rankgen.retrieval.retriever import open_searcher, prepare
from rankgen.retrieval.settings import parse_retriever

# The first test of a machine compiles colbert-ai's C++.
pytestmark = pytest.mark.timeout(1200)

# The functions of colbert-ai's IndexSaver that a build replaces.
SAVING = ("save_codec", "_write_chunk_to_disk")
PREPARE = """
import sys
from pathlib import Path
from rankgen.retrieval.colbert import index as colbert_index
from rankgen.retrieval.collections.open_collection import open_collection
from rankgen.retrieval.retriever import prepare
from rankgen.retrieval.settings import parse_retriever
collection, checkpoint, cache = sys.argv[1:]
colbert_index.CHUNK_PASSAGES = 10
prepare(parse_retriever("colbert", checkpoint=checkpoint), open_collection(collection), Path(cache))
"""


def prepared(checkpoint: Path, collection: Path, cache: Path, depth: int = 100) -> RetrieverHandle:
    settings = parse_retriever("colbert", checkpoint=str(checkpoint), depth=depth, threads=1)
    return prepare(settings, open_collection(str(collection)), cache).handle


def colbert_s_own(
    handle: RetrieverHandle, queries: Sequence[Query], depth: int
) -> list[Candidates]:
    """Returns what `colbert.Searcher.search` finds, query by query."""
    from colbert import Searcher

    assert handle.index is not None
    ids = [
        json.loads(line)["_id"]
        for line in (handle.index / "corpus-of-the-test.jsonl").read_text().split("\n")
        if line
    ]
    searcher = Searcher("plaid", index_root=str(handle.index), collection=["none"], verbose=0)
    found = []
    for query in queries:
        passages, _, scores = searcher.search(query.text, k=depth)
        found.append(Candidates(query.query_id, tuple(ids[p] for p in passages), tuple(scores)))
    return found


def assert_same(ours: Sequence[Candidates], theirs: Sequence[Candidates]) -> None:
    for one, other in zip(ours, theirs, strict=True):
        assert one.query_id == other.query_id
        assert one.doc_ids == other.doc_ids
        assert one.scores == pytest.approx(other.scores, abs=1e-4)


@pytest.fixture(scope="module")
def index(
    colbert_checkpoint: Path, sentences: Path, tmp_path_factory: pytest.TempPathFactory
) -> RetrieverHandle:
    cache = tmp_path_factory.mktemp("index")
    handle = prepared(colbert_checkpoint, sentences, cache)
    assert handle.index is not None
    (handle.index / "corpus-of-the-test.jsonl").write_text((sentences / "corpus.jsonl").read_text())
    return handle


def asked(collection: Path) -> list[Query]:
    return list(open_collection(str(collection)).queries())


def test_candidates_are_those_of_colbert_ai(index: RetrieverHandle, sentences: Path) -> None:
    searcher = open_searcher(RetrieverHandle.model_validate_json(index.model_dump_json()))
    for depth in (10, 100):
        found = searcher.search(asked(sentences), depth)
        assert_same(found, colbert_s_own(index, asked(sentences), depth))
        # Few cells are probed, so few of the 81 passages are reached.
        assert all(min(depth, 20) <= len(candidates.doc_ids) <= depth for candidates in found)
        assert all(list(c.scores) == sorted(c.scores, reverse=True) for c in found)
    first = searcher.search(asked(sentences), 10)[0]
    corpus = {d.doc_id: d.text for d in open_collection(str(sentences)).documents()}
    assert "sleeps in winter" in corpus[first.doc_ids[0]]


def test_indexing_and_searching_by_the_codec_of_gpus_is_the_same(
    index: RetrieverHandle,
    sentences: Path,
    colbert_checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert index.index is not None
    expected = open_searcher(index).search(asked(sentences), 100)
    called = by_the_codec_of_gpus(monkeypatch)
    passages = tmp_path / "passages.jsonl"
    contents = [document.contents for document in open_collection(str(sentences)).documents()]
    passages.write_text("".join(json.dumps(text) + "\n" for text in contents))
    request = BuildRequest(
        checkpoint=colbert_checkpoint.resolve(),
        passages=passages,
        count=len(contents),
        index=tmp_path / "plaid",
        bits=RESIDUAL_BITS,
        chunk_passages=25_000,
        threads=1,
    )
    from colbert.indexing.index_saver import IndexSaver
    from colbert.modeling.checkpoint import Checkpoint

    # Which a build sets for good.
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    for owner, name in ((Checkpoint, "docFromText"), *((IndexSaver, name) for name in SAVING)):
        monkeypatch.setattr(owner, name, getattr(owner, name))
    build(request)
    assert called == ["packbits"]
    for name in ("0.residuals.pt", "0.codes.pt", "centroids.pt"):
        saved = [torch.load(folder / name) for folder in (index.index / "plaid", request.index)]
        assert torch.equal(*saved), name
    shutil.copy(index.index / "doc_ids.arrow", tmp_path)
    assert (
        open_searcher(index.model_copy(update={"index": tmp_path})).search(asked(sentences), 100)
        == expected
    )
    assert called[1:] == ["decompress_residuals"] * len(expected)


def test_the_command_runs_it_in_workers(
    index: RetrieverHandle, sentences: Path, colbert_checkpoint: Path, own_cache: Path
) -> None:
    assert index.index is not None
    (own_cache / "colbert").symlink_to(index.index.parent)
    out = own_cache.parent / "candidates"
    command = ["retrieve", "--collection", sentences, "--retriever", "colbert", "--depth", 20]
    command += ["--checkpoint", colbert_checkpoint, "--shards", 2, "--out", out]
    result = CliRunner().invoke(app, [str(part) for part in command])
    assert result.exit_code == 0, result.output
    import pyarrow.parquet as pq

    rows = pq.read_table(out / "candidates").to_pylist()
    found = [Candidates(r["query_id"], r["doc_ids"], r["retrieval_scores"]) for r in rows]
    expected = open_searcher(index).search(asked(sentences), 20)
    ordered = sorted(expected, key=lambda c: c.query_id)
    assert_same([Candidates(c.query_id, tuple(c.doc_ids), tuple(c.scores)) for c in found], ordered)
    recipe = json.loads((out / "manifest.json").read_text())["predicate"]["recipe"]
    assert len(recipe["retriever.checkpoint_sha256"]) == 64


def test_a_killed_build_resumes(
    index: RetrieverHandle,
    sentences: Path,
    colbert_checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    arguments = [str(sentences), str(colbert_checkpoint), str(tmp_path)]
    process = subprocess.Popen([sys.executable, "-c", PREPARE, *arguments])
    while not list(tmp_path.glob("colbert/.resumable-*/plaid/0.chunk.whole")):
        assert process.poll() is None, "it ended before it was killed"
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    (draft,) = (tmp_path / "colbert").iterdir()
    saved = [draft / "plaid" / name for name in ("centroids.pt", "0.codes.pt", "0.residuals.pt")]
    times = [path.stat().st_mtime_ns for path in saved]
    monkeypatch.setattr("rankgen.retrieval.colbert.index.CHUNK_PASSAGES", 10)
    handle = prepared(colbert_checkpoint, sentences, tmp_path)
    assert handle.index is not None
    assert [path.name for path in (tmp_path / "colbert").iterdir()] == [handle.index.name]
    plaid = handle.index / "plaid"
    # Neither clustered again nor encoded again.
    assert [(plaid / path.name).stat().st_mtime_ns for path in saved] == times
    assert len(list(plaid.glob("*.codes.pt"))) == 9
    assert not list(plaid.glob("*.whole"))
    searched = [open_searcher(each).search(asked(sentences), 100) for each in (handle, index)]
    assert_same(*searched)
    before = {path: path.stat().st_mtime_ns for path in handle.index.rglob("*")}
    assert prepared(colbert_checkpoint, sentences, tmp_path) == handle
    assert {path: path.stat().st_mtime_ns for path in handle.index.rglob("*")} == before


def test_a_damaged_index_and_a_missing_part_are_refused(
    index: RetrieverHandle, sentences: Path, colbert_checkpoint: Path, tmp_path: Path
) -> None:
    assert index.index is not None
    copy = tmp_path / "colbert" / index.index.name
    shutil.copytree(index.index, copy)
    (copy / "plaid" / "centroids.pt").unlink()
    with pytest.raises(IntegrityProblem, match="cannot be opened"):
        open_searcher(index.model_copy(update={"index": copy}))
    (copy / "index.json").unlink()
    with pytest.raises(IntegrityProblem, match="damaged or belongs to another corpus"):
        prepared(colbert_checkpoint, sentences, tmp_path)


def test_too_small_a_collection_is_one_sentence(colbert_checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "corpus.tsv").write_text("a\tone\nb\ttwo\n")
    (tmp_path / "queries.tsv").write_text("q\tone\n")
    with pytest.raises(UsageError, match="too small for ColBERT's index"):
        prepared(colbert_checkpoint, tmp_path, tmp_path / "cache")
    assert not list((tmp_path / "cache" / "colbert").iterdir())


@pytest.mark.slow
@pytest.mark.data
def test_scifact_s_first_passages(
    colbert_checkpoint: Path, test_data: Path, tmp_path: Path
) -> None:
    """All of SciFact: RANKGEN_COLBERT_PASSAGES=0."""
    passages = int(os.environ.get("RANKGEN_COLBERT_PASSAGES", "150")) or None
    lines = (test_data / "scifact" / "corpus.jsonl").read_text(encoding="utf-8").split("\n")
    (tmp_path / "corpus.jsonl").write_text("\n".join(lines[:passages]))
    queries = (test_data / "scifact" / "queries.jsonl").read_text(encoding="utf-8")
    (tmp_path / "queries.jsonl").write_text(queries)
    handle = prepared(colbert_checkpoint, tmp_path, tmp_path / "cache")
    assert handle.index is not None
    (handle.index / "corpus-of-the-test.jsonl").write_text((tmp_path / "corpus.jsonl").read_text())
    chosen = asked(tmp_path)[::25]
    found = open_searcher(handle).search(chosen, 100)
    assert_same(found, colbert_s_own(handle, chosen, 100))
    assert sum(len(candidates.doc_ids) for candidates in found) > 50 * len(found)
