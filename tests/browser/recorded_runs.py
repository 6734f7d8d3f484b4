"""Runs of recorded teachers over BM25's first hundred, made without Ray."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow as pa
from made_up_candidates import write_run
from pydantic import JsonValue

from rankgen.generator.jobs.label.checks import validate_rankings
from rankgen.generator.jobs.label.counts import label_counts
from rankgen.generator.jobs.label.rows import ranking_table, window_table
from rankgen.generator.shards.in_process import InProcessJob, run_in_process
from rankgen.generator.shards.work import ShardTask
from rankgen.generator.strategies.ranking import rank_query
from rankgen.generator.teachers.recorded import RecordedTeacher
from rankgen.manifests.records import Candidates, Document, Query
from rankgen.manifests.run.candidate_lists import CandidateLists
from rankgen.manifests.run.plan import Plan
from rankgen.manifests.run.query_table import QueryTable
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.run.texts import link_texts
from rankgen.manifests.trec import read_run, trec_eval_order

DEPTH = 100


def write_first_stage(root: Path, collection: Path) -> RunDirectory:
    """Writes the candidates of a folder in BEIR's form as its BM25 run has them."""
    asked = [Query(row["_id"], row["text"]) for row in _rows(collection / "queries.jsonl")]
    texts = {row["_id"]: row["text"] for row in _rows(collection / "corpus.jsonl")}
    lists = read_run(collection / "runs" / "first-stage.bm25.trec")
    found = []
    for query in asked:
        lines = [line for line in trec_eval_order(lists[query.query_id]) if line.doc_id in texts]
        ids = tuple(line.doc_id for line in lines[:DEPTH])
        found.append(Candidates(query.query_id, ids, tuple(line.score for line in lines[:DEPTH])))
    run = RunDirectory(root)
    named = {doc_id for one in found for doc_id in one.doc_ids}
    write_run(run, found, asked, {doc_id: texts[doc_id] for doc_id in sorted(named)})
    return run


def write_recorded(source: RunDirectory, root: Path, teacher_run: Path) -> RunDirectory:
    """Labels candidates as a recorded teacher ordered them."""
    run, teacher, lists = RunDirectory(root), RecordedTeacher(teacher_run), CandidateLists(source)
    texts = source.texts("queries")
    queries = QueryTable(Query(query_id, texts[query_id]) for query_id in lists.query_ids())
    plan = Plan(
        kind="label",
        tables=("rankings", "windows"),
        recipe={"teacher": "recorded", "candidates_sha256": lists.digest()},
        settings={"candidates": str(source.root), "teacher": {"teacher": f"recorded:{root.name}"}},
        shards=1,
        queries=len(queries),
        queries_sha256=queries.digest(),
    )

    def fill(task: ShardTask) -> dict[str, pa.Table]:
        found = lists.of(query.query_id for query in task.queries)
        rankings = [
            asyncio.run(
                rank_query(
                    Query(one.query_id, ""),
                    [Document(doc_id, "", "") for doc_id in one.doc_ids],
                    teacher,
                    window=None,
                    stride=None,
                    passes=1,
                )
            )
            for one in found
        ]
        return {
            "rankings": ranking_table(list(zip(rankings, found, strict=True))),
            "windows": window_table(rankings),
        }

    def finish(_: Mapping[str, int]) -> dict[str, JsonValue]:
        link_texts(source, run)
        return {}

    job = InProcessJob(run, plan, "windows", queries, fill, label_counts, validate_rankings, finish)
    run_in_process(job)
    return run


def _rows(path: Path) -> Iterator[dict[str, str]]:
    # Some passages hold signs at which `str.splitlines` breaks a line.
    with path.open(encoding="utf-8", newline="\n") as file:
        yield from map(json.loads, file)
