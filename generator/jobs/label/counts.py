"""The totals of a labelled shard."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from rankgen.generator.answers.outcomes import WindowOutcome
from rankgen.generator.answers.pair_verdicts import pair_counts
from rankgen.generator.jobs.label.rows import answered

USABLE = (WindowOutcome.OK, WindowOutcome.REPAIRED, WindowOutcome.TRUNCATED)


def label_counts(tables: Mapping[str, pa.Table]) -> dict[str, int]:
    """Returns the totals of a shard: queries by status, windows by outcome, repairs, tokens.

    Windows counts those that led to rankings; calls and tokens count all calls.
    """
    rankings, calls = tables["rankings"], tables["windows"]
    statuses = Counter(rankings["status"].to_pylist())
    answers = answered(calls)
    is_ranked = pc.is_in(answers["query_id"], value_set=rankings["query_id"].combine_chunks())
    windows = answers.filter(is_ranked)
    outcomes = Counter(windows["outcome"].to_pylist())

    def total(rows: pa.Table, column: str) -> int:
        return int(pc.sum(rows[column]).as_py() or 0)

    scored = len(rankings) - rankings["teacher_scores"].null_count
    # Teachers that order alone have no such count.
    counted = {"queries_scored": scored} if scored else {}
    return (
        {f"windows_{outcome}": outcomes[outcome] for outcome in USABLE}
        | counted
        | pair_counts(windows["output_text"].to_pylist())
        | {
            "queries_complete": statuses["complete"],
            "queries_degraded": statuses["degraded"],
            "windows": windows.num_rows,
            "calls": calls.num_rows,
            "failed_calls": calls.num_rows - answers.num_rows,
            "ids_duplicate": total(windows, "duplicates"),
            "ids_missing": total(windows, "missing"),
            "ids_out_of_range": total(windows, "out_of_range"),
            "prompt_tokens": total(calls, "prompt_tokens"),
            "output_tokens": total(calls, "output_tokens"),
        }
    )
