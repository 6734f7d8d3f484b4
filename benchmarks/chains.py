"""Chains over the borders of shards: the same queries in one shard and in a shard each, in turns.

The teacher is scripted and answers after a fixed time, as a server with room for all would. What
counts is the time from the worker's being ready to the last commit, as the run's events have it.

Run `python benchmarks/chains.py`; the result goes to benchmarks/results/chains.json.
"""

from __future__ import annotations

import json
import statistics
import tempfile
from pathlib import Path

from results_file import write_results

from rankgen.generator.jobs.label.job import label
from rankgen.generator.jobs.label.settings import LabelRunSettings
from rankgen.generator.shards.cluster import kept_session
from rankgen.generator.teachers.settings import LabelSettings
from rankgen.manifests.records import Candidates, Document, Query
from rankgen.manifests.run.candidate_rows import candidate_table
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.run.texts import write_documents, write_queries
from rankgen.manifests.storage.shard import write_shard

QUERIES, DEPTH, WINDOW, STRIDE, LATENCY, ROUNDS = 24, 20, 8, 4, 0.5, 3


def write_candidates(root: Path) -> Path:
    """Writes candidates for every query and returns their folder."""
    run = RunDirectory(root)
    asked = [Query(f"q{n:02}", "") for n in range(QUERIES)]
    ids = tuple(f"d{n}" for n in range(DEPTH))
    scores = tuple(float(-n) for n in range(DEPTH))
    found = [Candidates(query.query_id, ids, scores) for query in asked]
    write_shard(run.shard_path("candidates", 0, 1), "candidates", candidate_table(found), "f")
    write_queries(run, asked, "f")
    write_documents(run, [Document(doc_id, "", "") for doc_id in ids], "f")
    return root


def seconds(candidates: Path, out: Path, shards: int) -> float:
    """Labels all queries and returns how long the worker took, in seconds."""
    teacher = LabelSettings(
        teacher=f"scripted:hash,latency={LATENCY}",
        window=WINDOW,
        stride=STRIDE,
        concurrency=QUERIES,
    )
    label(LabelRunSettings(candidates=candidates, teacher=teacher, shards=shards, out=out))
    (log,) = (out / ".rankgen" / "events").iterdir()
    events = [json.loads(line) for line in log.read_text().splitlines()]
    ready = next(e["time"] for e in events if e["event"] == "worker ready")
    return float(max(e["time"] for e in events if e["event"] == "commit") - ready)


def main() -> None:
    """Measures both, in turns, and writes the result."""
    took: dict[int, list[float]] = {1: [], QUERIES: []}
    with tempfile.TemporaryDirectory() as folder, kept_session():
        candidates = write_candidates(Path(folder, "candidates"))
        for turn in range(ROUNDS):
            for shards, times in took.items():
                times.append(
                    round(seconds(candidates, Path(folder, f"{turn}-{shards}"), shards), 2)
                )
                print(f"{QUERIES} queries in {shards} shards: {times[-1]} s", flush=True)
    medians = {shards: statistics.median(times) for shards, times in took.items()}
    windows = 1 + -(-(DEPTH - WINDOW) // STRIDE)
    write_results(
        "chains",
        {
            "queries": QUERIES,
            "windows_each": windows,
            "latency_s": LATENCY,
            "one_chain_s": windows * LATENCY,
            "seconds_in_one_shard": took[1],
            "seconds_in_a_shard_each": took[QUERIES],
            "ratio": round(medians[QUERIES] / medians[1], 2),
        },
    )


if __name__ == "__main__":
    main()
