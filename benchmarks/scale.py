"""A million queries: what planning, coordination and resuming cost the driver.

The teacher is scripted and each query has one window, so that next to nothing but the engine of
shards is left. Each phase runs in its own process, whose processor time and peak memory count.

Run `python benchmarks/scale.py [QUERIES]`; the result goes to benchmarks/results/scale.json.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow as pa
from results_file import write_results

from rankgen.generator.jobs.label.job import label, plan_labels
from rankgen.generator.jobs.label.settings import LabelRunSettings
from rankgen.generator.teachers.settings import LabelSettings
from rankgen.manifests.records import Candidates, Document, Query
from rankgen.manifests.run.candidate_rows import candidate_table
from rankgen.manifests.run.plan import default_shards, open_plan
from rankgen.manifests.run.query_table import QueryTable
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.run.texts import write_documents, write_queries
from rankgen.manifests.storage.shard import write_shard

DEPTH = 5


def write_candidates(root: Path, queries: int) -> None:
    """Writes candidates of so many queries, a hundred queries a shard."""
    run = RunDirectory(root)
    ids = tuple(f"d{n}" for n in range(DEPTH))
    scores = tuple(float(-n) for n in range(DEPTH))
    planned = QueryTable(Query(f"q{n:07}", f"text of q{n:07}") for n in range(queries))
    shards = default_shards(queries)
    for shard in range(shards):
        members = planned.of_shard(shard, shards)
        table: pa.Table = candidate_table([Candidates(q.query_id, ids, scores) for q in members])
        write_shard(run.shard_path("candidates", shard, shards), "candidates", table, "f")
    write_queries(run, planned, "f")
    write_documents(run, [Document(doc_id, "", "") for doc_id in ids], "f")


def settings(root: Path) -> LabelRunSettings:
    """Returns the run: a scripted teacher over one window a query."""
    return LabelRunSettings(
        candidates=root / "candidates",
        teacher=LabelSettings(teacher="scripted:hash", window=DEPTH, stride=DEPTH),
        out=root / "rankings",
    )


def measure(phase: str, root: Path, queries: int) -> dict[str, float]:
    """Runs one phase in this process and returns its costs."""
    began = time.monotonic()
    if phase == "write candidates":
        write_candidates(root / "candidates", queries)
    elif phase == "plan":
        plan, planned = plan_labels(settings(root))
        open_plan(RunDirectory(root / "rankings"), plan, planned)
    else:
        label(settings(root))
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "seconds": round(time.monotonic() - began, 2),
        "driver_cpu_seconds": round(used.ru_utime + used.ru_stime, 2),
        "driver_peak_mib": round(used.ru_maxrss / 1024, 1),
    }


def main() -> None:
    """Runs every phase in a process of its own and writes the result."""
    if len(sys.argv) == 4:
        print(json.dumps(measure(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))))
        return
    queries = int(sys.argv[1]) if len(sys.argv) == 2 else 1_000_000
    phases: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as root:
        for phase in ("write candidates", "plan", "label", "resume"):
            command = [sys.executable, __file__, phase, root, str(queries)]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            phases[phase] = json.loads(done.stdout.splitlines()[-1])
            print(phase, phases[phase], flush=True)
    result = {
        "queries": queries,
        "shards": default_shards(queries),
        "phases": phases,
        "coordination_ms_per_query": round(
            1000 * phases["label"]["driver_cpu_seconds"] / queries, 4
        ),
    }
    write_results("scale", result)


if __name__ == "__main__":
    main()
