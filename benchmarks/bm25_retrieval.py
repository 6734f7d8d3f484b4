"""`rankgen retrieve` beside Pyserini's own command line: whole processes, same index, interleaved.

    RANKGEN_TEST_DATA=… python benchmarks/bm25_retrieval.py [ROUNDS]

Both start from the shell and end with a file: rankgen with validated, committed Parquet shards and
the texts, Pyserini with a TREC run. The index is built before, once. SciFact's queries are asked
once, where most of the time is the start (imports, the JVM, Ray), and ten times over.
"""

from __future__ import annotations

import itertools
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from results_file import write_results

from rankgen.manifests.records import Query
from rankgen.retrieval.bm25.index import lucene_index
from rankgen.retrieval.bm25.java import find_java
from rankgen.retrieval.cache import cache_root
from rankgen.retrieval.collections.open_collection import open_collection

THREADS = os.cpu_count() or 1
COPIES = (1, 10)
PYSERINI = """
import os, sys
from rankgen.retrieval.bm25.java import start_jvm
start_jvm()
os.environ.setdefault("OPENAI_API_KEY", "unused")
sys.argv = ["search", *sys.argv[1:]]
import runpy
runpy.run_module("pyserini.search.lucene", run_name="__main__")
"""


def seconds_of(command: list[str]) -> float:
    """Runs a command to its end and returns its wall-clock seconds."""
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - began


def write_topics(folder: Path, queries: list[Query], copies: int) -> tuple[Path, Path]:
    """Writes the queries, each so many times, as rankgen and as Pyserini read them."""
    many = [Query(f"{q.query_id}-{n}", q.text) for n in range(copies) for q in queries]
    ours, theirs = folder / f"queries-{copies}.tsv", folder / f"topics-{copies}.tsv"
    lines = "".join(f"{query.query_id}\t{query.text}\n" for query in many)
    ours.write_text("_id\ttext\n" + lines)
    theirs.write_text(lines)
    return ours, theirs


def main() -> None:
    """Measures, prints and writes the result."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    find_java()
    data = Path(os.environ["RANKGEN_TEST_DATA"]) / "scifact"
    collection = open_collection(str(data))
    index = lucene_index(collection, cache_root().resolve(), THREADS)
    queries = list(collection.queries())
    rankgen = str(Path(sys.executable).with_name("rankgen"))
    names = ("rankgen retrieve", "pyserini.search.lucene")
    seconds: dict[str, dict[int, list[float]]] = {n: {c: [] for c in COPIES} for n in names}
    with tempfile.TemporaryDirectory() as folder:
        for number, copies in itertools.product(range(rounds), COPIES):
            ours_file, theirs_file = write_topics(Path(folder), queries, copies)
            ours = [rankgen, "retrieve", "--collection", str(data), "--queries", str(ours_file)]
            ours += ["--depth", "100", "--threads", str(THREADS)]
            ours += ["--out", f"{folder}/rankgen-{number}-{copies}"]
            theirs = [sys.executable, "-c", PYSERINI, "--index", str(index), "--bm25"]
            theirs += ["--topics", str(theirs_file), "--hits", "100", "--batch", "64"]
            theirs += ["--threads", str(THREADS), "--output", f"{folder}/pyserini.trec"]
            for name, command in zip(names, (ours, theirs), strict=True):
                seconds[name][copies].append(seconds_of(command))
    rates = {
        name: {len(queries) * c: len(queries) * c / statistics.median(v) for c, v in of.items()}
        for name, of in seconds.items()
    }
    result = {
        "what": "BM25 top 100 for SciFact's queries, whole processes, index built before",
        "threads": THREADS,
        "rounds": rounds,
        "seconds": {
            name: {len(queries) * c: [round(v, 2) for v in values] for c, values in of.items()}
            for name, of in seconds.items()
        },
        "queries_per_second": {
            name: {asked: round(rate, 1) for asked, rate in of.items()}
            for name, of in rates.items()
        },
        "ratio_rankgen_over_pyserini": {
            asked: round(rate / rates[names[1]][asked], 3)
            for asked, rate in rates[names[0]].items()
        },
    }
    print(write_results("bm25_retrieval", result))


if __name__ == "__main__":
    main()
