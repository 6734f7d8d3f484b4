"""TREC files, read strictly: an error names the file and the line.

`run` reads and writes runs, `qrels` judgements.
"""

from __future__ import annotations

from rankgen.manifests.trec.qrels import Qrels, read_qrels, write_qrels
from rankgen.manifests.trec.run import (
    RunLine,
    RunLists,
    read_run,
    run_lines,
    trec_eval_order,
    write_run,
)

__all__ = [
    "Qrels",
    "RunLine",
    "RunLists",
    "read_qrels",
    "read_run",
    "run_lines",
    "trec_eval_order",
    "write_qrels",
    "write_run",
]
