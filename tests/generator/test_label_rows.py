"""A ranking is only accepted with the windows that lead to it."""

from __future__ import annotations

import asyncio
from typing import Any  # Arrow's rows hold values of every kind.

import pyarrow as pa
import pytest

from rankgen.generator.label_rows import (
    label_counts,
    ranking_table,
    validate_rankings,
    window_table,
)
from rankgen.generator.outcomes import QueryRanking
from rankgen.generator.strategies.sliding import rank_query
from rankgen.generator.teachers.scripted import Script, ScriptedTeacher
from rankgen.manifests.candidate_lists import CandidateList
from rankgen.manifests.digest import sha256_of_lines
from rankgen.manifests.errors import IntegrityProblem
from rankgen.manifests.records import Document, Query
from rankgen.manifests.schema import TABLES

DOC_IDS = [f"d{n}" for n in range(25)]
FOUND = CandidateList("q", DOC_IDS, [25.0 - n for n in range(25)], sha256_of_lines(DOC_IDS))


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


def test_a_lost_window_is_found(tables: dict[str, pa.Table]) -> None:
    tables["windows"] = tables["windows"].slice(1)
    with pytest.raises(IntegrityProblem, match="do not lead to its ranking"):
        validate_rankings(tables, ["q"], {})
