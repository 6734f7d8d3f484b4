"""Converts teacher rankings to rows of `rankings` and `windows`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from rankgen.generator.answers.outcomes import FailedCall, WindowOutcome, WindowResult
from rankgen.generator.answers.query_outcomes import (
    FailedQuery,
    FailedWindow,
    QueryRanking,
    WindowRecord,
)
from rankgen.manifests.records import Candidates
from rankgen.manifests.schema import RANKINGS, WINDOWS


def ranking_table(
    rankings: Sequence[tuple[QueryRanking, Candidates]],
    keep_top: int | None = None,
    chunks: Mapping[str, Sequence[int]] | None = None,
) -> pa.Table:
    """Returns one row per query: its candidates in the teacher's order.

    Args:
        rankings: The rankings, with what was ranked.
        keep_top: How many places of each list have a known order; None for all.
        chunks: Numbers of the chunks shown of a query's candidates, by query id.
    """
    shown = chunks or {}
    rows = [_ranking_row(*pair, keep_top, shown.get(pair[0].query_id)) for pair in rankings]
    return pa.Table.from_pylist(rows, schema=RANKINGS)


def window_table(rankings: Sequence[QueryRanking], failed: Sequence[FailedQuery] = ()) -> pa.Table:
    """Returns one row per call: those that led to the rankings, and those that failed."""
    queries: list[QueryRanking | FailedQuery] = [*rankings, *failed]
    rows = [row for query in queries for row in _rows_of_windows(query)]
    for query in failed:
        if query.failed is not None:
            rows += _failed_rows(query.query_id, query.failed, query.failed.calls)
    return pa.Table.from_pylist(rows, schema=WINDOWS)


def answered(calls: pa.Table) -> pa.Table:
    """Returns the rows of `windows` of calls that ordered their window, without failed ones."""
    return calls.filter(pc.is_valid(calls["permutation"]))


def _ranking_row(
    ranking: QueryRanking,
    candidates: Candidates,
    keep_top: int | None,
    chunks: Sequence[int] | None,
) -> dict[str, object]:
    usage, scores = ranking.usage, ranking.scores
    kept = ranking.order[:keep_top]
    below = sorted(ranking.order[len(kept) :])
    repaired = sum(w.result.outcome is not WindowOutcome.OK for w in ranking.windows)
    return {
        "query_id": ranking.query_id,
        "doc_ids": [candidates.doc_ids[i] for i in kept],
        "retrieval_positions": [i + 1 for i in kept],
        "retrieval_scores": [candidates.scores[i] for i in kept],
        "status": ranking.status,
        "windows": len(ranking.windows),
        "repaired_windows": repaired,
        "prompt_tokens": usage.prompt,
        "output_tokens": usage.output,
        "candidates_sha256": candidates.digest(),
        "teacher_scores": None if scores is None else [scores[i] for i in kept],
        "unranked": [candidates.doc_ids[i] for i in below] or None,
        "chunks": None if chunks is None else [chunks[i] for i in kept],
    }


def _rows_of_windows(query: QueryRanking | FailedQuery) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for record in query.windows:
        result = record.result
        rows += _failed_rows(query.query_id, record, result.failed)
        rows.append(
            {
                **_call_row(query.query_id, record, result, attempt=len(result.failed) + 1),
                "permutation": list(result.permutation),
                "duplicates": result.duplicates,
                "missing": result.missing,
                "out_of_range": result.out_of_range,
                "reordered": record.reordered,
                "asked": result.asked,
            }
        )
    return rows


def _failed_rows(
    query_id: str, window: WindowRecord | FailedWindow, calls: Sequence[FailedCall]
) -> list[dict[str, object]]:
    return [
        {
            **_call_row(query_id, window, call, attempt),
            "permutation": None,
            "duplicates": 0,
            "missing": 0,
            "out_of_range": 0,
            "reason": call.reason,
        }
        for attempt, call in enumerate(calls, start=1)
    ]


def _call_row(
    query_id: str,
    window: WindowRecord | FailedWindow,
    call: WindowResult | FailedCall,
    attempt: int,
) -> dict[str, object]:
    return {
        "query_id": query_id,
        "pass_index": window.pass_index,
        "window_index": window.window_index,
        "start": window.start,
        "end": window.end,
        "outcome": str(call.outcome),
        "prompt_tokens": call.usage.prompt,
        "output_tokens": call.usage.output,
        "output_text": call.output_text,
        "attempt": attempt,
        "cut": call.cut,
        "shown": window.shown,
    }
