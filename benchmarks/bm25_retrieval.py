"""`rankgen retrieve` beside Pyserini's own command line: whole processes, same index, interleaved.

    RANKGEN_TEST_DATA=… python benchmarks/bm25_retrieval.py [ROUNDS]

Both start from the shell and end with a file: rankgen with validated, committed Parquet shards and
the texts, Pyserini with a TREC run. The index is built before, once.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rankgen.manifests.provenance import software
from rankgen.retrieval.cache import cache_root
from rankgen.retrieval.index import lucene_index
from rankgen.retrieval.java import find_java
from rankgen.retrieval.open_collection import open_collection

RESULTS = Path(__file__).parent / "results" / "bm25_retrieval.json"
THREADS = os.cpu_count() or 1
PYSERINI = """
import sys
from rankgen.retrieval.java import import_pyserini
import_pyserini()
sys.argv = ["search", *sys.argv[1:]]
import runpy
runpy.run_module("pyserini.search.lucene", run_name="__main__")
"""


def seconds_of(command: list[str]) -> float:
    """Runs a command to its end and returns its wall-clock seconds."""
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - began


def main() -> None:
    """Measures, prints and writes the result."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    find_java()
    data = Path(os.environ["RANKGEN_TEST_DATA"]) / "scifact"
    collection = open_collection(str(data))
    index = lucene_index(collection, cache_root().resolve(), THREADS)
    queries = list(collection.queries())
    rankgen = str(Path(sys.executable).with_name("rankgen"))
    times: dict[str, list[float]] = {"rankgen retrieve": [], "pyserini.search.lucene": []}
    with tempfile.TemporaryDirectory() as folder:
        topics = Path(folder) / "topics.tsv"
        topics.write_text("".join(f"{q.query_id}\t{q.text}\n" for q in queries))
        for number in range(rounds):
            ours = [rankgen, "retrieve", "--collection", str(data), "--depth", "100"]
            ours += ["--threads", str(THREADS), "--out", f"{folder}/rankgen-{number}"]
            theirs = [sys.executable, "-c", PYSERINI, "--index", str(index), "--bm25"]
            theirs += ["--topics", str(topics), "--hits", "100", "--batch", "64"]
            theirs += ["--threads", str(THREADS), "--output", f"{folder}/pyserini-{number}.trec"]
            times["rankgen retrieve"].append(seconds_of(ours))
            times["pyserini.search.lucene"].append(seconds_of(theirs))
    medians = {name: statistics.median(values) for name, values in times.items()}
    result = {
        "what": "BM25 top 100 for every SciFact query, whole processes, index built before",
        "queries": len(queries),
        "threads": THREADS,
        "rounds": rounds,
        "seconds": {name: [round(v, 2) for v in values] for name, values in times.items()},
        "median_seconds": {name: round(value, 2) for name, value in medians.items()},
        "ratio_pyserini_over_rankgen": round(
            medians["pyserini.search.lucene"] / medians["rankgen retrieve"], 3
        ),
        "machine": {"cpu": platform.processor() or platform.machine(), "cpus": os.cpu_count()},
        "software": software(),
    }
    RESULTS.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
