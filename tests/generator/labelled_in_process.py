"""Finished label and negatives runs, made without Ray."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
from made_up_candidates import write_run
from pydantic import JsonValue

from rankgen.generator.jobs.label.checks import validate_rankings
from rankgen.generator.jobs.label.counts import label_counts
from rankgen.generator.jobs.label.rows import ranking_table, window_table
from rankgen.generator.jobs.negatives.work import LeftOut, NegativesFactory, validate_lists
from rankgen.generator.shards.in_process import InProcessJob, run_in_process
from rankgen.generator.shards.work import ShardTask
from rankgen.generator.strategies.ranking import rank_query
from rankgen.generator.teachers.scripted import Script, ScriptedTeacher
from rankgen.manifests.records import Candidates, Document, Query
from rankgen.manifests.run.candidate_lists import CandidateLists
from rankgen.manifests.run.plan import Plan
from rankgen.manifests.run.query_table import QueryTable
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.run.texts import link_texts
from rankgen.manifests.schema import RANKINGS
from rankgen.manifests.teacher_scores import TeacherScores


def write_candidates(root: Path, queries: int, depth: int) -> RunDirectory:
    """Gives each query `depth` of 60 passages; the last one finds three fewer."""
    run = RunDirectory(root)
    asked = [Query(f"q{number:02d}", f"query {number}") for number in range(queries)]
    found = [
        Candidates(
            query.query_id,
            tuple(f"d{(7 * number + i) % 60}" for i in range(depth - 3 * (number == queries - 1))),
            tuple(float(depth - i) for i in range(depth - 3 * (number == queries - 1))),
        )
        for number, query in enumerate(asked)
    ]
    write_run(run, found, asked, {f"d{n}": f"passage {n}" for n in range(60)})
    return run


def label_in_process(source: RunDirectory, root: Path, shards: int) -> RunDirectory:
    """Labels candidates with windows of 5 by 2; every list has scores."""
    lists, run = CandidateLists(source), RunDirectory(root)
    queries = QueryTable(Query(q, f"query {int(q[1:])}") for q in lists.query_ids())
    plan = Plan(
        kind="label",
        tables=("rankings", "windows"),
        recipe={"teacher": "scripted"},
        settings={"candidates": str(source.root)},
        shards=shards,
        queries=len(queries),
        queries_sha256=queries.digest(),
    )

    def fill(task: ShardTask) -> dict[str, pa.Table]:
        return _labelled(lists.of(query.query_id for query in task.queries))

    def finish(_: Mapping[str, int]) -> dict[str, JsonValue]:
        link_texts(source, run)
        return TeacherScores(unit="logit", source="scripted").as_facts()

    job = InProcessJob(run, plan, "windows", queries, fill, label_counts, validate_rankings, finish)
    run_in_process(job)
    return run


def draw_negatives(
    candidates: Path, root: Path, positives: Mapping[str, tuple[str, ...]]
) -> RunDirectory:
    """Draws all candidates of the queries of `positives` as their negatives."""
    source, run = RunDirectory(candidates), RunDirectory(root)
    queries = QueryTable(Query(q, f"query {int(q[1:])}") for q in positives)
    work = NegativesFactory(candidates, positives, 100, 100, 0, LeftOut({}, {}, {}))()
    plan = Plan(
        kind="negatives",
        tables=("rankings",),
        recipe={},
        settings={},
        shards=1,
        queries=len(queries),
        queries_sha256=queries.digest(),
    )

    def fill(task: ShardTask) -> Mapping[str, pa.Table]:
        return asyncio.run(work.fill(task.queries, root)).tables

    def finish(_: Mapping[str, int]) -> None:
        link_texts(source, run)

    run_in_process(
        InProcessJob(run, plan, "lists", queries, fill, work.counts, validate_lists, finish)
    )
    return run


def _labelled(lists: Sequence[Candidates]) -> dict[str, pa.Table]:
    teacher = ScriptedTeacher(Script("hash"))
    rankings = [
        asyncio.run(
            rank_query(
                Query(found.query_id, ""),
                [Document(doc_id, "", "") for doc_id in found.doc_ids],
                teacher,
                window=5,
                stride=2,
                passes=1,
            )
        )
        for found in lists
    ]
    rows = ranking_table(list(zip(rankings, lists, strict=True))).to_pylist()
    for row in rows:
        row["teacher_scores"] = [float(int(doc_id[1:])) for doc_id in row["doc_ids"]]
    return {
        "rankings": pa.Table.from_pylist(rows, schema=RANKINGS),
        "windows": window_table(rankings),
    }
