"""Checks of an attempt at a shard: its windows must lead to its rankings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

import pyarrow as pa

from rankgen.generator.jobs.label.rows import answered
from rankgen.generator.shards.attempt_checks import AGAIN, check_planned
from rankgen.manifests.errors import IntegrityProblem
from rankgen.manifests.replay import after_call
from rankgen.manifests.storage.digest import sha256_of_lines
from rankgen.manifests.teacher_scores import fault_of_scores
from rankgen.manifests.unranked import first_stage_of, whole_size

_FOREIGN = "an attempt's windows do not belong to its rankings"


class Call(TypedDict):
    """The columns of a call that ordered a window; see `rankgen.manifests.schema`."""

    query_id: str
    window_index: int
    start: int
    end: int
    permutation: list[int]
    shown: list[int] | None
    reordered: list[int] | None


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
    check_planned([row["query_id"] for row in rows], planned, quarantined)
    for row in rows:
        if not _is_whole(row):
            raise IntegrityProblem(
                f"the ranking of query {row['query_id']} is not a permutation of its candidates",
                AGAIN,
            )
    asked = set(tables["windows"]["query_id"].to_pylist())
    # Calls for a query without a ranking are evidence of its cost.
    if not asked <= {*planned, *quarantined}:
        raise IntegrityProblem(_FOREIGN, AGAIN)
    _check_evidence(rows, tables["windows"])


def _check_evidence(rows: Sequence[Mapping[str, Any]], windows: pa.Table) -> None:
    """Checks that every ranking's windows lead to it, and that its tokens are theirs."""
    evidence, spent = _windows_by_query(windows), _tokens_by_query(windows)
    if not evidence.keys() >= {row["query_id"] for row in rows}:
        raise IntegrityProblem(_FOREIGN, AGAIN)
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
    ordered = answered(windows.select(list(Call.__annotations__)))
    rows: list[Call] = ordered.sort_by("window_index").to_pylist()
    for row in rows:
        evidence.setdefault(row["query_id"], []).append(row)
    return evidence


def _tokens_by_query(calls: pa.Table) -> dict[str, tuple[int, int]]:
    columns = ("prompt_tokens", "output_tokens")
    sums = calls.group_by("query_id").aggregate([(name, "sum") for name in columns]).to_pylist()
    return {row["query_id"]: (row["prompt_tokens_sum"], row["output_tokens_sum"]) for row in sums}
