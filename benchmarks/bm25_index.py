"""Building an index beside Pyserini's own command, and the memory that a large corpus takes.

    python benchmarks/bm25_index.py [PASSAGES [ROUNDS]]

The corpus is synthetic (Zipf-distributed words, some sixty a passage). Pyserini reads JSON files in
its own form, which are written before and not counted; rankgen reads the collection as it is,
computes its digest, writes those files, indexes and counts. `rankgen retrieve` is then run on it;
the memory is the sum over all of its processes, sampled, with the JVMs told apart.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import psutil
from results_file import write_results

from rankgen.retrieval.bm25.java import find_java

THREADS = os.cpu_count() or 1
PYSERINI = """
import sys
from rankgen.retrieval.bm25.java import start_jvm
start_jvm()
sys.argv = ["index", *sys.argv[1:]]
import runpy
runpy.run_module("pyserini.index.lucene", run_name="__main__")
"""
OURS = """
import sys
from rankgen.retrieval.collections.open_collection import open_collection
from rankgen.retrieval.retriever import prepare
from rankgen.retrieval.settings import parse_retriever
from rankgen.manifests.run.query_table import QueryTable
from pathlib import Path
folder, cache, threads = sys.argv[1:]
settings = parse_retriever("bm25", threads=int(threads))
prepare(settings, open_collection(folder), Path(cache), QueryTable([]))
"""


def write_collection(folder: Path, theirs: Path, passages: int) -> None:
    """Writes the same passages as a BEIR folder and as Pyserini's JSON."""
    folder.mkdir()
    theirs.mkdir()
    rng = np.random.default_rng(0)
    words = np.array([f"w{number:x}" for number in range(200_000)])
    with (folder / "corpus.jsonl").open("w") as ours, (theirs / "docs.jsonl").open("w") as peer:
        for start in range(0, passages, 10_000):
            ranks = np.minimum(rng.zipf(1.2, size=(10_000, 60)), len(words)) - 1
            for number, row in enumerate(words[ranks], start=start):
                text = " ".join(row)
                ours.write(json.dumps({"_id": f"d{number}", "title": "", "text": text}) + "\n")
                peer.write(json.dumps({"id": f"d{number}", "contents": text}) + "\n")
    queries = [{"_id": f"q{n}", "text": f"w{n + 50:x} w{n + 300:x}"} for n in range(200)]
    (folder / "queries.jsonl").write_text("".join(json.dumps(q) + "\n" for q in queries))


class MemorySampler:
    """Samples the resident memory of a process and its descendants, in bytes."""

    def __init__(self, process: int) -> None:
        self._root = psutil.Process(process)
        self._ended = threading.Event()
        self.peaks = {"all": 0, "driver": 0, "java": 0, "others": 0}
        self._thread = threading.Thread(target=self._sample)
        self._thread.start()

    def stop(self) -> None:
        """Ends the sampling."""
        self._ended.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._ended.wait(0.2):
            sums = dict.fromkeys(self.peaks, 0)
            try:
                for process in [self._root, *self._root.children(recursive=True)]:
                    try:
                        is_java = process.name().startswith("java")
                        held = process.memory_info().rss
                    except psutil.Error:
                        continue
                    is_driver = process.pid == self._root.pid
                    sums["driver" if is_driver else "java" if is_java else "others"] += held
                    sums["all"] += held
            except psutil.Error:
                return
            self.peaks = {name: max(self.peaks[name], value) for name, value in sums.items()}


def seconds_of(command: list[str]) -> float:
    """Runs a command to its end and returns its wall-clock seconds."""
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - began


def memory_of(command: list[str], environment: dict[str, str]) -> dict[str, int]:
    """Runs a command and returns the peak of each kind of process, in MiB."""
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment
    ) as process:
        sampler = MemorySampler(process.pid)
        status = process.wait()
        sampler.stop()
    if status != 0:
        raise SystemExit(f"{command} ended with {status}")
    return {name: value >> 20 for name, value in sampler.peaks.items()}


def main() -> None:
    """Measures, prints and writes the result."""
    passages = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    find_java()
    times: dict[str, list[float]] = {"rankgen": [], "pyserini.index.lucene": []}
    with tempfile.TemporaryDirectory() as scratch:
        folder, theirs = Path(scratch) / "collection", Path(scratch) / "json"
        write_collection(folder, theirs, passages)
        for number in range(rounds):
            cache, index = f"{scratch}/cache-{number}", f"{scratch}/index"
            ours = [sys.executable, "-c", OURS, str(folder), cache, str(THREADS)]
            times["rankgen"].append(seconds_of(ours))
            peer = [sys.executable, "-c", PYSERINI, "--collection", "JsonCollection"]
            peer += ["--input", str(theirs), "--index", index, "--threads", str(THREADS)]
            peer += ["--generator", "DefaultLuceneDocumentGenerator"]
            peer += ["--storePositions", "--storeDocvectors"]
            times["pyserini.index.lucene"].append(seconds_of(peer))
            shutil.rmtree(index)
            shutil.rmtree(cache)
        rankgen = str(Path(sys.executable).with_name("rankgen"))
        command = [rankgen, "retrieve", "--collection", str(folder), "--out", f"{scratch}/out"]
        memory = memory_of(command, os.environ | {"RANKGEN_CACHE": f"{scratch}/cache"})
    medians = {name: statistics.median(values) for name, values in times.items()}
    result = {
        "what": "building a BM25 index of a synthetic corpus, whole processes; memory of retrieve",
        "passages": passages,
        "threads": THREADS,
        "rounds": rounds,
        "seconds": {name: [round(v, 1) for v in values] for name, values in times.items()},
        "median_seconds": {name: round(value, 1) for name, value in medians.items()},
        "ratio_pyserini_over_rankgen": round(
            medians["pyserini.index.lucene"] / medians["rankgen"], 3
        ),
        "retrieve_peak_mib": memory,
    }
    print(write_results("bm25_index", result))


if __name__ == "__main__":
    main()
