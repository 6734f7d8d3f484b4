"""Teacher rankings as rows of the tables `rankings` and `windows`, and the check of an attempt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa

from rankgen.generator.outcomes import QueryRanking, WindowOutcome
from rankgen.manifests.candidate_lists import CandidateList
from rankgen.manifests.digest import sha256_of_lines
from rankgen.manifests.errors import IntegrityProblem
from rankgen.manifests.schema import RANKINGS, WINDOWS

AGAIN = "repeat the command to try again"


def ranking_table(rankings: Sequence[tuple[QueryRanking, CandidateList]]) -> pa.Table:
    """Returns one row a query: its candidates in the teacher's order."""
    return pa.Table.from_pylist([_ranking_row(*pair) for pair in rankings], schema=RANKINGS)


def window_table(rankings: Sequence[QueryRanking]) -> pa.Table:
    """Returns one row a call: the evidence that the order rests on."""
    rows = [row for ranking in rankings for row in _window_rows(ranking)]
    return pa.Table.from_pylist(rows, schema=WINDOWS)


def label_counts(rankings: Sequence[QueryRanking]) -> dict[str, int]:
    """Returns the totals of the commit record."""
    windows = [record.result for ranking in rankings for record in ranking.windows]
    counts = {f"windows_{outcome}": 0 for outcome in WindowOutcome}
    for window in windows:
        counts[f"windows_{window.outcome}"] += 1
    return counts | {
        "queries_complete": sum(r.status == "complete" for r in rankings),
        "queries_degraded": sum(r.status == "degraded" for r in rankings),
        "windows": len(windows),
        "ids_duplicate": sum(w.duplicates for w in windows),
        "ids_missing": sum(w.missing for w in windows),
        "ids_out_of_range": sum(w.out_of_range for w in windows),
        "prompt_tokens": sum(w.usage.prompt for w in windows),
        "output_tokens": sum(w.usage.output for w in windows),
    }


def validate_rankings(
    tables: Mapping[str, pa.Table], planned: Sequence[str], quarantined: Mapping[str, str]
) -> None:
    """Checks an attempt: each planned query once, each list a permutation of its candidates.

    The candidates' order is rebuilt from `retrieval_positions` and must have the digest that the
    candidates were retrieved with.

    Raises:
        IntegrityProblem: Something is wrong.
    """
    rows = tables["rankings"].to_pylist()
    expected = sorted(set(planned) - set(quarantined))
    if [row["query_id"] for row in rows] != expected:
        raise IntegrityProblem("an attempt does not hold the planned queries", AGAIN)
    for row in rows:
        by_position = sorted(zip(row["retrieval_positions"], row["doc_ids"], strict=True))
        positions = [position for position, _ in by_position]
        digest = sha256_of_lines(doc_id for _, doc_id in by_position)
        whole = positions == list(range(1, len(by_position) + 1))
        if not whole or digest != row["candidates_sha256"]:
            raise IntegrityProblem(
                f"the ranking of query {row['query_id']} is no permutation of its candidates",
                AGAIN,
            )
    evidence = tables["windows"]["query_id"].to_pylist()
    if sorted(set(evidence)) != expected or len(evidence) != sum(row["windows"] for row in rows):
        raise IntegrityProblem("an attempt's windows do not belong to its rankings", AGAIN)


def _ranking_row(ranking: QueryRanking, candidates: CandidateList) -> dict[str, object]:
    usage = ranking.usage
    repaired = sum(w.result.outcome is not WindowOutcome.OK for w in ranking.windows)
    return {
        "query_id": ranking.query_id,
        "doc_ids": [candidates.doc_ids[i] for i in ranking.order],
        "retrieval_positions": [i + 1 for i in ranking.order],
        "retrieval_scores": [candidates.retrieval_scores[i] for i in ranking.order],
        "status": ranking.status,
        "windows": len(ranking.windows),
        "repaired_windows": repaired,
        "prompt_tokens": usage.prompt,
        "output_tokens": usage.output,
        "candidates_sha256": candidates.candidates_sha256,
    }


def _window_rows(ranking: QueryRanking) -> list[dict[str, object]]:
    return [
        {
            "query_id": ranking.query_id,
            "pass_index": record.pass_index,
            "window_index": record.window_index,
            "start": record.start,
            "end": record.end,
            "permutation": list(record.result.permutation),
            "outcome": str(record.result.outcome),
            "duplicates": record.result.duplicates,
            "missing": record.result.missing,
            "out_of_range": record.result.out_of_range,
            "prompt_tokens": record.result.usage.prompt,
            "output_tokens": record.result.usage.output,
            "output_text": record.result.output_text,
        }
        for record in ranking.windows
    ]
