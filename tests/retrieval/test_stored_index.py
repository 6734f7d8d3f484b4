"""BM25 over an existing index: texts come from it, and that of another corpus is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from pyserini_apart import run_script

from rankgen.retrieval.bm25.java import find_java

pytestmark = pytest.mark.timeout(600)

TEXTS = [
    "alpha beta",
    "beta gamma",
    "",
    "gamma delta gamma",
    "delta alpha beta \u2028 \x00 end",
    " ",
]
INDEXES = """
import runpy, sys
import jnius_config
jnius_config.set_classpath(sys.argv[1])
import jnius
folder = sys.argv[2]
for name, more in (("whole", ["--storeRaw"]), ("bare", [])):
    sys.argv = ["index", "--collection", "JsonCollection", "--input", folder + "/input", "--index",
                folder + "/" + name, "--generator", "DefaultLuceneDocumentGenerator", "--threads",
                "1", *more]
    runpy.run_module("pyserini.index.lucene", run_name="__main__")
"""


CASES = """
import json, sys
from pathlib import Path
from rankgen.manifests.errors import UsageError
from rankgen.retrieval.collections.open_collection import open_collection
from rankgen.retrieval.retriever import prepare
from rankgen.retrieval.settings import parse_retriever
said = []
for case in json.loads(sys.argv[2]):
    corpus = case["corpus"] and Path(case["corpus"])
    try:
        settings = parse_retriever("bm25", index=case["index"])
        collection = open_collection(
            "", corpus=corpus, queries=Path(sys.argv[1]), index=case["index"]
        )
        prepare(settings, collection, Path(sys.argv[3]).parent)
        said.append([document.doc_id for document in collection.chosen({"d4", "d0", "none"})])
    except UsageError as error:
        said.append(f"{error.message}. {error.hint}")
Path(sys.argv[3]).write_text(json.dumps(said))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stored")
    (folder / "input").mkdir()
    (folder / "mine").mkdir()
    rows = [{"id": f"d{n}", "contents": text} for n, text in enumerate(TEXTS)]
    corpus = [{"_id": f"d{n}", "text": text} for n, text in enumerate(TEXTS)]
    queries = [{"_id": "q0", "text": "gamma"}, {"_id": "q1", "text": "delta"}]
    for path, records in (
        ("input/corpus.jsonl", rows),
        ("mine/corpus.jsonl", corpus),
        ("mine/queries.jsonl", queries),
    ):
        (folder / path).write_text("".join(json.dumps(record) + "\n" for record in records))
    run_script(INDEXES, str(find_java().anserini), str(folder))
    return folder


def test_the_index_brings_its_texts(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    # Apart, for a process has one JVM in its life.
    command = [str(Path(sys.executable).with_name("rankgen")), "retrieve", "--out", str(out)]
    command += ["--queries", str(folder / "mine/queries.jsonl"), "--index", str(folder / "whole")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lists = {
        row["query_id"]: row["doc_ids"] for row in pq.read_table(out / "candidates").to_pylist()
    }
    assert lists == {"q0": ["d3", "d1"], "q1": ["d3", "d4"]}
    texts = {row["doc_id"]: row["text"] for row in pq.read_table(out / "documents").to_pylist()}
    assert texts == {f"d{n}": TEXTS[n] for n in (1, 3, 4)}
    recipe = json.loads((out / "manifest.json").read_text())["predicate"]["recipe"]
    assert len(recipe["retriever.index_sha256"]) == 64


def test_an_index_is_used_with_its_own_collection_only(folder: Path, tmp_path: Path) -> None:
    for name, prefix, corpus in (("fewer", "d", TEXTS[:2]), ("others", "e", ["x"] * 4)):
        rows = [{"_id": f"{prefix}{n}", "text": text} for n, text in enumerate(corpus)]
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (tmp_path / f"{name}.jsonl").write_text(lines)
    queries = str(folder / "mine/queries.jsonl")
    cases = [
        {"corpus": str(folder / "mine/corpus.jsonl"), "index": str(folder / "bare")},
        {"corpus": str(tmp_path / "fewer.jsonl"), "index": str(folder / "whole")},
        {"corpus": str(tmp_path / "others.jsonl"), "index": str(folder / "whole")},
        {"corpus": None, "index": str(folder / "bare")},
        {"corpus": None, "index": str(tmp_path)},
        {"corpus": None, "index": "msmarco-v1-pasage"},
        {"corpus": None, "index": "msmarco-v1-passage.splade-pp-ed"},
    ]
    run_script(CASES, queries, json.dumps(cases), str(tmp_path / "said.json"))
    said = json.loads((tmp_path / "said.json").read_text())
    fits, fewer, others, bare, nothing, unknown, learned = said
    assert fits == ["d0", "d4"]
    assert "belongs to another corpus: it has 4 documents, but fewer has 2" in fewer
    assert "belongs to another corpus: it lacks document e" in others
    assert "does not store texts" in bare
    assert "--corpus FILE" in bare
    assert "is not a Lucene index" in nothing
    assert "neither a folder nor a prebuilt index" in unknown
    assert "'msmarco-v1-passage'" in unknown
    assert "is not a BM25 index" in learned
    assert "recorded:RUN" in learned
