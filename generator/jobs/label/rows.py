"""Converts teacher rankings to rows of `rankings` and `windows`, and checks attempts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

import pyarrow as pa
import pyarrow.compute as pc

from rankgen.generator.answers.outcomes import (
    FailedCall,
    FailedQuery,
    FailedWindow,
    QueryRanking,
    WindowOutcome,
    WindowRecord,
    WindowResult,
)
from rankgen.generator.answers.pair_verdicts import pair_counts
from rankgen.manifests.errors import IntegrityProblem
from rankgen.manifests.records import Candidates
from rankgen.manifests.replay import after_call
from rankgen.manifests.schema import RANKINGS, WINDOWS
from rankgen.manifests.storage.digest import sha256_of_lines
from rankgen.manifests.teacher_scores import fault_of_scores
from rankgen.manifests.unranked import first_stage_of, whole_size

USABLE = (WindowOutcome.OK, WindowOutcome.REPAIRED, WindowOutcome.TRUNCATED)
AGAIN = "repeat the command to try again"


class Call(TypedDict):
    """The columns of a call that ordered a window; see `rankgen.manifests.schema`."""

    query_id: str
    window_index: int
    start: int
    end: int
    permutation: list[int]
    shown: list[int] | None
    reordered: list[int] | None


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


def label_counts(tables: Mapping[str, pa.Table]) -> dict[str, int]:
    """Returns the totals of a shard: queries by status, windows by outcome, repairs, tokens.

    Windows counts those that led to rankings; calls and tokens count all calls.
    """
    rankings, calls = tables["rankings"], tables["windows"]
    statuses = Counter(rankings["status"].to_pylist())
    answered = _without_failed(calls)
    is_ranked = pc.is_in(answered["query_id"], value_set=rankings["query_id"].combine_chunks())
    windows = answered.filter(is_ranked)
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
            "failed_calls": calls.num_rows - answered.num_rows,
            "ids_duplicate": total(windows, "duplicates"),
            "ids_missing": total(windows, "missing"),
            "ids_out_of_range": total(windows, "out_of_range"),
            "prompt_tokens": total(calls, "prompt_tokens"),
            "output_tokens": total(calls, "output_tokens"),
        }
    )


def validate_rankings(
    tables: Mapping[str, pa.Table], planned: Sequence[str], quarantined: Mapping[str, str]
) -> None:
    """Checks an attempt: each planned query once, each list all of its candidates.

    The candidates' order is rebuilt from `retrieval_positions`, and its digest must equal that of
    the retrieved candidates.

    Raises:
        IntegrityProblem: A check failed.
    """
    rows = tables["rankings"].to_pylist()
    expected = sorted(set(planned) - set(quarantined))
    if [row["query_id"] for row in rows] != expected:
        raise IntegrityProblem("an attempt does not hold the planned queries", AGAIN)
    for row in rows:
        if not _is_whole(row):
            raise IntegrityProblem(
                f"the ranking of query {row['query_id']} is not a permutation of its candidates",
                AGAIN,
            )
    evidence = _windows_by_query(tables["windows"])
    asked = set(tables["windows"]["query_id"].to_pylist())
    # Calls for a query without a ranking are evidence of its cost.
    if not (evidence.keys() >= set(expected) and asked <= {*expected, *quarantined}):
        raise IntegrityProblem("an attempt's windows do not belong to its rankings", AGAIN)
    spent = _tokens_by_query(tables["windows"])
    for row in rows:
        if fault := fault_of_scores(row["teacher_scores"], len(row["doc_ids"])):
            raise IntegrityProblem(f"the ranking of query {row['query_id']}: {fault}", AGAIN)
        calls = evidence[row["query_id"]]
        places = [position - 1 for position in row["retrieval_positions"]]
        led_to = replayed(calls, whole_size(row))
        if len(calls) != row["windows"] or led_to is None or led_to[: len(places)] != places:
            raise IntegrityProblem(
                f"the windows of query {row['query_id']} do not lead to its ranking", AGAIN
            )
        if spent[row["query_id"]] != (row["prompt_tokens"], row["output_tokens"]):
            raise IntegrityProblem(
                f"the tokens of query {row['query_id']} are not the sum over its calls", AGAIN
            )


def _is_whole(row: Mapping[str, Any]) -> bool:
    try:
        return bool(sha256_of_lines(first_stage_of(row)) == row["candidates_sha256"])
    except ValueError:
        return False


def replayed(calls: Sequence[Call], candidates: int) -> list[int] | None:
    """Returns the order that a query's calls lead to, as 0-based first-stage positions.

    Args:
        calls: Rows of the table `windows` in the order of the calls, without failed ones.
        candidates: Length of the list.

    Returns:
        The order; None if a call does not fit the list.
    """
    order = list(range(candidates))
    for call in calls:
        moves = (call.get("shown"), call.get("reordered"))
        try:
            order = after_call(order, call["start"], call["end"], call["permutation"], *moves)
        except ValueError:
            return None
    return order


def _windows_by_query(windows: pa.Table) -> dict[str, list[Call]]:
    evidence: dict[str, list[Call]] = {}
    ordered = _without_failed(windows.select(list(Call.__annotations__)))
    rows: list[Call] = ordered.sort_by("window_index").to_pylist()
    for row in rows:
        evidence.setdefault(row["query_id"], []).append(row)
    return evidence


def _tokens_by_query(calls: pa.Table) -> dict[str, tuple[int, int]]:
    columns = ("prompt_tokens", "output_tokens")
    sums = calls.group_by("query_id").aggregate([(name, "sum") for name in columns]).to_pylist()
    return {row["query_id"]: (row["prompt_tokens_sum"], row["output_tokens_sum"]) for row in sums}


def _without_failed(calls: pa.Table) -> pa.Table:
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
