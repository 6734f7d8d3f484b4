"""Ten million queries: what planning a run holds in the driver's memory.

`retrieve` plans the queries of a TSV file over a collection of three documents, all of them and a
sample of half; `label` plans the candidates of as many queries, a thousand in a shard. Each plan is
written, and every task is made and packed as it is for a worker. Each phase runs in a process of
its own, whose peak memory counts.

Run `python benchmarks/plan_memory.py [QUERIES ...]`; the result goes to
benchmarks/results/plan_memory.json after every phase. Sizes that are not named keep their figures.
"""

from __future__ import annotations

import json
import pickle
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow as pa
from results_file import RESULTS, write_results

from rankgen.generator.jobs.label.job import plan_labels
from rankgen.generator.jobs.label.settings import LabelRunSettings
from rankgen.generator.jobs.retrieve.job import plan_retrieval
from rankgen.generator.jobs.retrieve.settings import RetrieveSettings
from rankgen.generator.shards.job import missing_tasks
from rankgen.generator.teachers.settings import LabelSettings
from rankgen.manifests.records import Document, Query
from rankgen.manifests.run.plan import Plan, open_plan
from rankgen.manifests.run.query_table import QueryTable
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.run.texts import write_documents, write_queries
from rankgen.manifests.schema import CANDIDATES
from rankgen.manifests.storage.digest import sha256_of_lines
from rankgen.manifests.storage.shard import write_shard

QUERIES_PER_SHARD = 1_000
DOC_IDS = ["d0", "d1", "d2"]
# A plan that grows with its queries ends here instead of taking the machine along.
MOST_BYTES = 24 * 2**30


def query(number: int) -> Query:
    """Returns one of the queries; their order in the file is not that of their ids."""
    number = number * 7_919 % 10_000_019
    return Query(f"q{number:08}", f"what does the passage number {number} say")


def write_collection(root: Path, queries: int) -> None:
    """Writes a collection of three documents and so many queries."""
    root.mkdir()
    with (root / "queries.tsv").open("w") as file:
        for number in range(queries):
            file.write("\t".join(query(number)) + "\n")
    rows = [{"_id": doc_id, "text": f"passage {doc_id}"} for doc_id in DOC_IDS]
    (root / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def write_candidates(root: Path, queries: int) -> None:
    """Writes candidates of so many queries."""
    run, planned = RunDirectory(root), QueryTable(map(query, range(queries)))
    shards = queries // QUERIES_PER_SHARD
    for shard in range(shards):
        ids = [q.query_id for q in planned.of_shard(shard, shards)]
        columns = [ids, [DOC_IDS] * len(ids), [[3.0, 2.0, 1.0]] * len(ids)]
        columns.append([sha256_of_lines(DOC_IDS)] * len(ids))
        rows = pa.table(dict(zip(CANDIDATES.names, columns, strict=True)), schema=CANDIDATES)
        write_shard(run.shard_path("candidates", shard, shards), "candidates", rows, "f")
    write_queries(run, planned, "f")
    write_documents(run, [Document(doc_id, "", f"passage {doc_id}") for doc_id in DOC_IDS], "f")


def retrieve_plan(root: Path, queries: int, sample: int | None) -> tuple[Plan, QueryTable]:
    """Returns the plan of a retrieve run."""
    settings = RetrieveSettings(
        collection=str(root / "collection"),
        sample=sample,
        shards=max(1, queries // QUERIES_PER_SHARD),
        out=root / "out",
    )
    planned = plan_retrieval(settings)
    return planned.plan, planned.prepared.queries


def label_plan(root: Path, queries: int) -> tuple[Plan, QueryTable]:
    """Returns the plan of a label run."""
    settings = LabelRunSettings(
        candidates=root / "candidates",
        teacher=LabelSettings(teacher="scripted:hash"),
        shards=queries // QUERIES_PER_SHARD,
        out=root / "out",
    )
    return plan_labels(settings)


def measure(phase: str, root: Path, queries: int) -> dict[str, float]:
    """Runs one phase in this process and returns its costs."""
    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    began = time.monotonic()
    if phase == "write collection":
        write_collection(root / "collection", queries)
    elif phase == "write candidates":
        write_candidates(root / "candidates", queries)
    else:
        if phase == "label":
            plan, planned = label_plan(root, queries)
        else:
            sample = queries // 2 if phase == "retrieve a sample of half" else None
            plan, planned = retrieve_plan(root, queries, sample)
        open_plan(RunDirectory(root / phase.replace(" ", "-")), plan, planned)
        tasks = missing_tasks(planned, plan, {})
        assert sum(len(pickle.loads(pickle.dumps(task)).queries) for task in tasks) == plan.queries
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "peak_mib": round(used.ru_maxrss / 1024, 1),
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 1),
        "seconds": round(time.monotonic() - began, 1),
    }


def main() -> None:
    """Runs every phase in a process of its own and writes the result."""
    if len(sys.argv) == 4 and not sys.argv[1].isdecimal():
        print(json.dumps(measure(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))))
        return
    sizes = [int(size) for size in sys.argv[1:]] or [100_000, 1_000_000, 3_000_000, 10_000_000]
    phases = ("write collection", "retrieve", "retrieve a sample of half")
    phases += ("write candidates", "label")
    found: dict[str, dict[str, dict[str, float]]] = {phase: {} for phase in phases}
    if (before := RESULTS / "plan_memory.json").exists():
        found |= json.loads(before.read_text())["phases"]
    for queries in sizes:
        with tempfile.TemporaryDirectory() as root:
            for phase in phases:
                command = [sys.executable, __file__, phase, root, str(queries)]
                done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
                found[phase][f"{queries:,}"] = json.loads(done.stdout.splitlines()[-1])
                print(f"{queries:,}", phase, found[phase][f"{queries:,}"], flush=True)
                figures = {"queries_per_shard": QUERIES_PER_SHARD, "phases": found}
                write_results("plan_memory", figures)


if __name__ == "__main__":
    main()
