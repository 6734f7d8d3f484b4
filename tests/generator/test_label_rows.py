"""A ranking is only accepted with the windows that lead to it."""

from __future__ import annotations

import asyncio
from typing import Any  # Arrow's rows hold values of every kind.

import pyarrow as pa
import pytest

from rankgen.generator.answers.outcomes import TokenUsage, WindowOutcome, WindowResult
from rankgen.generator.answers.query_outcomes import QueryRanking, WindowRecord
from rankgen.generator.jobs.label.checks import validate_rankings
from rankgen.generator.jobs.label.counts import label_counts
from rankgen.generator.jobs.label.rows import ranking_table, window_table
from rankgen.generator.strategies.ranking import rank_query
from rankgen.generator.teachers.scripted import Script, ScriptedTeacher
from rankgen.manifests.errors import IntegrityProblem
from rankgen.manifests.records import Candidates, Document, Query
from rankgen.manifests.schema import TABLES

DOC_IDS = tuple(f"d{n}" for n in range(25))
FOUND = Candidates("q", DOC_IDS, tuple(25.0 - n for n in range(25)))


@pytest.fixture
def tables() -> dict[str, pa.Table]:
    ranking: QueryRanking = asyncio.run(
        rank_query(
            Query("q", "text"),
            [Document(doc_id, "", "") for doc_id in DOC_IDS],
            ScriptedTeacher(Script("hash")),
            window=8,
            stride=4,
            passes=2,
        )
    )
    return {"rankings": ranking_table([(ranking, FOUND)]), "windows": window_table([ranking])}


def changed(table: pa.Table, name: str, row: int, **values: Any) -> pa.Table:
    rows = table.to_pylist()
    rows[row] |= values
    return pa.Table.from_pylist(rows, schema=TABLES[name])


def test_windows_that_lead_to_the_ranking_are_accepted(tables: dict[str, pa.Table]) -> None:
    validate_rankings(tables, ["q"], {})
    counts = label_counts(tables)
    assert counts["windows"] == counts["windows_ok"] == 2 * 6
    assert counts["queries_complete"] == 1


def test_two_swapped_documents_are_found(tables: dict[str, pa.Table]) -> None:
    row = tables["rankings"].to_pylist()[0]
    swapped = {
        name: [row[name][1], row[name][0], *row[name][2:]]
        for name in ("doc_ids", "retrieval_positions", "retrieval_scores")
    }
    tables["rankings"] = changed(tables["rankings"], "rankings", 0, **swapped)
    with pytest.raises(IntegrityProblem, match="do not lead to its ranking"):
        validate_rankings(tables, ["q"], {})


@pytest.mark.parametrize(
    "fault",
    [
        {"permutation": [1, 0, 2, 3, 4, 5, 6, 7]},
        {"permutation": [0, 0, 2, 3, 4, 5, 6, 7]},
        {"permutation": [0]},
        {"window_index": 99},
        {"start": 0},
    ],
)
def test_a_window_that_was_changed_is_found(
    tables: dict[str, pa.Table], fault: dict[str, Any]
) -> None:
    tables["windows"] = changed(tables["windows"], "windows", 0, **fault)
    with pytest.raises(IntegrityProblem, match="do not lead to its ranking"):
        validate_rankings(tables, ["q"], {})


@pytest.mark.parametrize(
    "fault",
    [
        {"retrieval_positions": list(range(2, 27))},
        {"candidates_sha256": "0" * 64},
    ],
)
def test_a_list_of_other_candidates_is_found(
    tables: dict[str, pa.Table], fault: dict[str, Any]
) -> None:
    tables["rankings"] = changed(tables["rankings"], "rankings", 0, **fault)
    with pytest.raises(IntegrityProblem, match="not a permutation of its candidates"):
        validate_rankings(tables, ["q"], {})


def test_positions_that_do_not_begin_at_1_are_found(tables: dict[str, pa.Table]) -> None:
    positions = tables["rankings"].to_pylist()[0]["retrieval_positions"]
    shifted = {"retrieval_positions": [position + 1 for position in positions]}
    tables["rankings"] = changed(tables["rankings"], "rankings", 0, **shifted)
    with pytest.raises(IntegrityProblem, match="not a permutation of its candidates"):
        validate_rankings(tables, ["q"], {})


@pytest.mark.parametrize(
    ("planned", "quarantined"), [(["q", "r"], {}), ([], {}), (["q"], {"q": "it failed"})]
)
def test_an_attempt_at_other_queries_is_found(
    tables: dict[str, pa.Table], planned: list[str], quarantined: dict[str, str]
) -> None:
    with pytest.raises(IntegrityProblem, match="does not hold the planned queries"):
        validate_rankings(tables, planned, quarantined)


def test_a_wrong_number_of_windows_is_found(tables: dict[str, pa.Table]) -> None:
    tables["rankings"] = changed(tables["rankings"], "rankings", 0, windows=11)
    with pytest.raises(IntegrityProblem, match="do not lead to its ranking"):
        validate_rankings(tables, ["q"], {})


def test_windows_of_a_query_without_a_ranking_are_found(tables: dict[str, pa.Table]) -> None:
    foreign = changed(tables["windows"], "windows", 0, query_id="other").slice(0, 1)
    tables["windows"] = pa.concat_tables([tables["windows"], foreign])
    with pytest.raises(IntegrityProblem, match="do not belong"):
        validate_rankings(tables, ["q"], {})


@pytest.mark.parametrize("column", ["prompt_tokens", "output_tokens"])
def test_a_cost_that_is_not_that_of_the_calls_is_found(
    tables: dict[str, pa.Table], column: str
) -> None:
    tables["rankings"] = changed(tables["rankings"], "rankings", 0, **{column: 1})
    with pytest.raises(
        IntegrityProblem, match="the tokens of query q are not the sum over its calls"
    ):
        validate_rankings(tables, ["q"], {})


def test_calls_for_a_query_in_quarantine_are_evidence_too(tables: dict[str, pa.Table]) -> None:
    other = changed(tables["windows"], "windows", 0, query_id="other").slice(0, 1)
    tables["windows"] = pa.concat_tables([tables["windows"], other])
    validate_rankings(tables, ["other", "q"], {"other": "its second window failed"})


def test_a_lost_window_is_found(tables: dict[str, pa.Table]) -> None:
    tables["windows"] = tables["windows"].slice(1)
    with pytest.raises(IntegrityProblem, match="do not lead to its ranking"):
        validate_rankings(tables, ["q"], {})


def test_rows_tell_what_each_answer_was_and_cost() -> None:
    results = [
        WindowResult((1, 0), usage=TokenUsage(100, 9)),
        WindowResult((0, 1), WindowOutcome.REPAIRED, 1, 2, 3, TokenUsage(200, 11), "[1] [1] [7]"),
        WindowResult((0, 1), usage=TokenUsage(50, 9)),
    ]
    records = tuple(WindowRecord(0, n, 0, 2, result) for n, result in enumerate(results))
    found = Candidates("q", ("a", "b"), (2.0, 1.0))
    degraded = QueryRanking("q", (1, 0), records)
    tables = {"rankings": ranking_table([(degraded, found)]), "windows": window_table([degraded])}
    validate_rankings(tables, ["q"], {})
    (row,) = tables["rankings"].to_pylist()
    assert row["status"] == "degraded"
    assert (row["windows"], row["repaired_windows"]) == (3, 1)
    assert (row["prompt_tokens"], row["output_tokens"]) == (350, 29)
    clean, repaired, _ = tables["windows"].to_pylist()
    counted = ("duplicates", "missing", "out_of_range", "prompt_tokens", "output_tokens")
    assert [clean[name] for name in counted] == [0, 0, 0, 100, 9]
    assert [repaired[name] for name in counted] == [1, 2, 3, 200, 11]
    assert (clean["outcome"], clean["output_text"]) == ("ok", None)
    assert (repaired["outcome"], repaired["output_text"]) == ("repaired", "[1] [1] [7]")
    counts = label_counts(tables)
    assert (counts["queries_complete"], counts["queries_degraded"]) == (0, 1)
    assert (counts["windows_ok"], counts["windows_repaired"]) == (2, 1)
    assert [counts[f"ids_{name}"] for name in ("duplicate", "missing", "out_of_range")] == [1, 2, 3]
    assert (counts["prompt_tokens"], counts["output_tokens"]) == (350, 29)
    complete = QueryRanking("q", (1, 0), records[:1])
    assert ranking_table([(complete, found)])["status"].to_pylist() == ["complete"]
