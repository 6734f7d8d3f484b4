"""Fills the shards of a mix: one list out of each query's lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa

from rankgen.generator.jobs.subsample.projection import Row
from rankgen.generator.jobs.subsample.source_rows import SourceRows
from rankgen.generator.strategies.mixing import Method, TeacherList, mixed
from rankgen.manifests.records import Query
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.schema import RANKINGS
from rankgen.manifests.storage.digest import sha256_of_lines

SUMMED = ("prompt_tokens", "output_tokens")


class MixedRows:
    """Mixes the lists of runs.

    Args:
        runs: The runs; the first one's first stage is kept.
        method: See `mixed`.
    """

    def __init__(self, runs: Sequence[RunDirectory], method: Method) -> None:
        self._runs = [SourceRows(run, "rankings") for run in runs]
        self._method: Method = method

    def fill(self, queries: Sequence[Query]) -> dict[str, pa.Table]:
        """Returns the mixed lists of queries that every run has."""
        query_ids = sorted(query.query_id for query in queries)
        held = [rows.of(query_ids) for rows in self._runs]
        lists = [self._mixed([own[query_id][0] for own in held]) for query_id in query_ids]
        return {"rankings": pa.Table.from_pylist(lists, schema=RANKINGS)}

    def _mixed(self, rows: Sequence[Row]) -> Row:
        common = set(rows[0]["doc_ids"]).intersection(*(row["doc_ids"] for row in rows[1:]))
        order, scores = mixed([_kept(row, common) for row in rows], self._method)
        first = rows[0]
        place = {doc_id: n for n, doc_id in enumerate(first["doc_ids"])}
        kept = [place[doc_id] for doc_id in order]
        positions = [first["retrieval_positions"][n] for n in kept]
        by_position = sorted(zip(positions, order, strict=True))
        return {
            "query_id": first["query_id"],
            "doc_ids": order,
            "retrieval_positions": positions,
            "retrieval_scores": [first["retrieval_scores"][n] for n in kept],
            "status": max(row["status"] for row in rows),  # "degraded" if one is.
            "windows": 0,
            "repaired_windows": 0,
            **{name: sum(row[name] for row in rows) for name in SUMMED},
            "candidates_sha256": sha256_of_lines(doc_id for _, doc_id in by_position),
            "teacher_scores": scores if self._method == "scores" else None,
        }


def mix_counts(tables: Mapping[str, pa.Table]) -> dict[str, int]:
    """Returns the totals of a shard."""
    rows = tables["rankings"]
    lists: list[Sequence[str]] = rows["doc_ids"].to_pylist()
    statuses: list[str] = rows["status"].to_pylist()
    return {
        "passages": sum(map(len, lists)),
        "queries_degraded": statuses.count("degraded"),
        "prompt_tokens": sum(rows["prompt_tokens"].to_pylist()),
        "output_tokens": sum(rows["output_tokens"].to_pylist()),
    }


def _kept(row: Row, common: set[str]) -> TeacherList:
    places = [n for n, doc_id in enumerate(row["doc_ids"]) if doc_id in common]
    scores = row["teacher_scores"]
    return TeacherList(
        [row["doc_ids"][n] for n in places],
        None if scores is None else [scores[n] for n in places],
    )
