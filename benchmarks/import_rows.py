"""Ten million scored rows: how fast `rankgen import` makes a run of them, and in how much memory.

The same Parquet file is read by pyarrow (all of it into memory), read and sorted by query and score
by pyarrow, and imported; its rows are in random order, and once more grouped by query. Each is done
in a process of its own, whose peak memory counts, in turns, so that a slow moment of the machine
meets all of them.

Run `python benchmarks/import_rows.py [ROWS] [ROUNDS]`; the result goes to
benchmarks/results/import_rows.json.
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from results_file import write_results

DOCUMENTS_PER_QUERY = 100
MOST_MIB = 1_024
WAYS = ("pyarrow read", "pyarrow read and sort", "rankgen import")


def write_rows(path: Path, rows: int, *, shuffled: bool) -> None:
    """Writes a file as Rank-DistiLLM 2025 is written: qid, docno, score."""
    draw = np.random.default_rng(7)
    query = np.arange(rows) // DOCUMENTS_PER_QUERY
    document = draw.integers(0, 8_841_823, rows)
    score = draw.normal(size=rows)
    order = draw.permutation(rows) if shuffled else np.arange(rows)
    table = pa.table(
        {
            "qid": pa.array(query[order]).cast(pa.string()),
            "docno": pa.array(document[order]).cast(pa.string()),
            "score": score[order],
        }
    )
    pq.write_table(table, path)


def measure(way: str, path: Path) -> dict[str, float]:
    """Does the work once in this process and returns its costs."""
    with tempfile.TemporaryDirectory() as folder:
        if way == "rankgen import":
            from rankgen.generator.jobs.imports.job import import_rankings
            from rankgen.generator.jobs.imports.settings import ImportSettings

            settings = ImportSettings(
                form="rank-distillm", source=str(path), out=Path(folder) / "run"
            )
        began = time.monotonic()
        if way == "rankgen import":
            rows = import_rankings(settings).losses.rows
        else:
            table = pq.read_table(path)
            if way == "pyarrow read and sort":
                table = table.sort_by([("qid", "ascending"), ("score", "descending")])
            rows = table.num_rows
        seconds = time.monotonic() - began
    used = resource.getrusage(resource.RUSAGE_SELF)
    peak = used.ru_maxrss / 1024
    return {"rows": rows, "seconds": seconds, "peak_mib": peak}


def main() -> None:
    """Measures all ways in turns and writes the medians."""
    if sys.argv[1:2] and sys.argv[1] in WAYS:
        print(json.dumps(measure(sys.argv[1], Path(sys.argv[2]))))
        return
    if sys.argv[1:2] == ["write"]:
        write_rows(Path(sys.argv[2]), int(sys.argv[3]), shuffled=sys.argv[4] == "shuffled")
        return
    rows = int(sys.argv[1]) if sys.argv[1:] else 10_000_000
    rounds = int(sys.argv[2]) if sys.argv[2:] else 3
    orders: dict[str, dict[str, dict[str, float]]] = {}
    for order in ("shuffled", "grouped"):
        found: dict[str, list[dict[str, float]]] = defaultdict(list)
        with tempfile.TemporaryDirectory() as root:
            path = Path(root) / "scored.parquet"
            # A process begins with the peak of the one that started it: this one stays small.
            subprocess.run(
                [sys.executable, __file__, "write", str(path), str(rows), order], check=True
            )
            for _ in range(rounds):
                for way in WAYS:
                    command = [sys.executable, __file__, way, str(path)]
                    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
                    found[way].append(json.loads(done.stdout.splitlines()[-1]))
                    print(order, way, found[way][-1], flush=True)
        orders[order] = {way: _medians(rows, found[way]) for way in WAYS}
        seconds = orders[order]["rankgen import"]["seconds"]
        for way in WAYS[:2]:
            ratio = seconds / orders[order][way]["seconds"]
            orders[order][way]["import_takes_times_as_long"] = round(ratio, 2)
    peak = max(orders[order]["rankgen import"]["peak_mib"] for order in orders)
    figures = {"rows": rows, "rounds": rounds, "documents_per_query": DOCUMENTS_PER_QUERY}
    print(write_results("import_rows", {**figures, "orders": orders}))
    if peak >= MOST_MIB:
        sys.exit(f"the import took {peak} MiB, more than {MOST_MIB}")


def _medians(rows: int, found: list[dict[str, float]]) -> dict[str, float]:
    assert all(each["rows"] == rows for each in found)
    seconds = statistics.median(each["seconds"] for each in found)
    return {
        "seconds": round(seconds, 2),
        "rows_per_second": round(rows / seconds),
        "peak_mib": round(max(each["peak_mib"] for each in found), 1),
    }


if __name__ == "__main__":
    main()
