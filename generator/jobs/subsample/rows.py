"""Fills a subsample's shards with lists that are cut, and checks them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from rankgen.generator.jobs.label.checks import validate_rankings
from rankgen.generator.jobs.label.counts import label_counts
from rankgen.generator.jobs.subsample.projection import (
    Row,
    kept_places,
    projected_ranking,
    projected_windows,
    summed_calls,
)
from rankgen.generator.jobs.subsample.source import SubsampleSource
from rankgen.generator.jobs.subsample.source_rows import SourceRows
from rankgen.generator.shards.attempt_checks import AGAIN, check_planned
from rankgen.manifests.errors import IntegrityProblem
from rankgen.manifests.records import Query
from rankgen.manifests.schema import RANKINGS, WINDOWS
from rankgen.manifests.storage.digest import sha256_of_lines
from rankgen.manifests.teacher_scores import fault_of_scores
from rankgen.manifests.unranked import unranked_places, whole_size


class SubsampleRows:
    """Cuts the lists of a run.

    Args:
        source: The run.
        depth: The last first-stage position to keep; None keeps all.
    """

    def __init__(self, source: SubsampleSource, depth: int | None) -> None:
        self._source, self._depth = source, depth
        self._rankings = SourceRows(source.run, "rankings")
        self._has_windows = "windows" in source.tables
        self._windows = SourceRows(source.run, "windows")

    def fill(self, queries: Sequence[Query]) -> dict[str, pa.Table]:
        """Returns the cut lists of queries, and the windows that lead to them.

        Raises:
            IntegrityProblem: The run has no single list of a query.
        """
        query_ids = sorted(query.query_id for query in queries)
        lists = self._rankings.of(query_ids)
        windows = self._windows.of(query_ids) if self._has_windows else {}
        rankings, calls = list[Row](), list[Row]()
        for query_id in query_ids:
            if len(lists[query_id]) != 1:
                raise IntegrityProblem(
                    f"{self._source.run.root} has {len(lists[query_id])} lists of query {query_id}",
                    f"rankgen verify {self._source.run.root}",
                )
            ranking, own = self._cut(lists[query_id][0], windows.get(query_id))
            rankings.append(ranking)
            calls += own
        tables = {"rankings": pa.Table.from_pylist(rankings, schema=RANKINGS)}
        if self._has_windows:
            tables["windows"] = pa.Table.from_pylist(calls, schema=WINDOWS)
        return tables

    def _cut(self, row: Row, windows: Sequence[Row] | None) -> tuple[Row, list[Row]]:
        positions = row["retrieval_positions"]
        places = kept_places(positions, self._depth, keeps_first=self._source.keeps_first)
        whole = unranked_places(row)
        below = {at: whole[at] for at in whole if self._depth is None or at <= self._depth}
        ranking = projected_ranking(row, places, below)
        if windows is None:
            return ranking, []
        kept = {position - 1 for position in (*(positions[p] for p in places), *below)}
        calls = projected_windows(sorted(windows, key=_made), whole_size(row), kept)
        return {**ranking, **summed_calls(calls)}, calls


def subsample_counts(tables: Mapping[str, pa.Table]) -> dict[str, int]:
    """Returns the totals of a shard: passages, and with windows what a label run counts."""
    lists: list[Sequence[str]] = tables["rankings"]["doc_ids"].to_pylist()
    counted = label_counts(tables) if "windows" in tables else {}
    return {"passages": sum(map(len, lists)), **counted}


def validate_subsample(
    tables: Mapping[str, pa.Table], planned: Sequence[str], quarantined: Mapping[str, str]
) -> None:
    """Checks an attempt: as that of a label run, or its lists alone where there are no windows.

    Raises:
        IntegrityProblem: A check failed.
    """
    if "windows" in tables:
        validate_rankings(tables, planned, quarantined)
        return
    rows: list[dict[str, Any]] = tables["rankings"].to_pylist()
    check_planned([row["query_id"] for row in rows], planned, quarantined)
    for row in rows:
        if fault := _fault_of(row):
            raise IntegrityProblem(f"the list of query {row['query_id']} {fault}", AGAIN)


def _fault_of(row: Row) -> str | None:
    """Returns what is wrong with a list without windows; None where nothing is."""
    doc_ids: list[str] = row["doc_ids"]
    if len(set(doc_ids)) != len(doc_ids):
        return "holds a passage twice"
    if not len(doc_ids) == len(row["retrieval_positions"]) == len(row["retrieval_scores"]):
        return "has columns of different lengths"
    held = zip(row["retrieval_positions"], doc_ids, strict=True)
    ordered = sorted([*held, *unranked_places(row).items()])
    if sha256_of_lines(doc_id for _, doc_id in ordered) != row["candidates_sha256"]:
        return "does not match its digest"
    return fault_of_scores(row["teacher_scores"], len(doc_ids))


def _made(call: Row) -> tuple[int, int]:
    """Returns the place of a call in the order in which a query's calls were made."""
    return call["window_index"], call["attempt"] or 1
