"""Finished runs made by hand, without Ray: candidates with judgements, and labels of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from rankgen.manifests.records import Candidates, Document, Query
from rankgen.manifests.run.candidate_lists import CandidateLists
from rankgen.manifests.run.candidate_rows import candidate_table
from rankgen.manifests.run.commit_record import Attempt
from rankgen.manifests.run.ledger import Ledger
from rankgen.manifests.run.plan import Kind, Plan, open_plan, planned_queries
from rankgen.manifests.run.provenance import write_manifest
from rankgen.manifests.run.query_table import QueryTable
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.run.texts import link_texts, write_documents, write_queries
from rankgen.manifests.schema import RANKINGS, WINDOWS
from rankgen.manifests.storage.atomic import whole_file
from rankgen.manifests.storage.digest import sha256_of_lines
from rankgen.manifests.storage.shard import write_shard
from rankgen.manifests.teacher_scores import TeacherScores
from rankgen.manifests.trec import write_qrels

# Ids as collections have them: leading zeros, spaces, slashes, quotes, other scripts.
ODD_IDS = ("007", "7", "a b", "x/y", 'say "hi"', "日本", "it's", "ü,;|")
DEPTH = 4
LOGITS = TeacherScores(unit="logit", source="minilm")


def queries_of(count: int, *, spaces: bool = True) -> list[Query]:
    """Returns queries; `spaces` says whether some ids hold them, which no collection's may."""
    odd = [query_id for query_id in ODD_IDS if spaces or " " not in query_id]
    ids = [*odd, *(f"q{n:04}" for n in range(count))][:count]
    return [Query(query_id, f"what is {query_id}?") for query_id in ids]


def documents_of(query: Query) -> tuple[str, ...]:
    return tuple(f"{query.query_id}/d{place}" for place in range(DEPTH))


def write_candidates(
    root: Path | str,
    count: int,
    collection: str = "made-up",
    *,
    spaces: bool = True,
    ids: Sequence[str] = (),
) -> RunDirectory:
    """Writes a retrieve run of `count` queries with texts and, for all but the last, judgements.

    Its queries have the given `ids`, where there are any.
    """
    run = RunDirectory(root)
    queries = [Query(i, f"what is {i}?") for i in ids] or queries_of(count, spaces=spaces)
    plan = _open(run, "retrieve", ("candidates",), queries, 1, {"collection": collection}, {})
    found = [
        Candidates(query.query_id, documents_of(query), tuple(9.5 - n for n in range(DEPTH)))
        for query in queries
    ]
    _commit(run, plan, 0, {"candidates": candidate_table(found)}, ())
    qrels = {
        q.query_id: {documents_of(q)[1]: 1, documents_of(q)[2]: 0}
        for q in queries[:-1]
        if " " not in q.query_id  # Judgements cannot express such ids.
    }
    write_qrels(run.root / "qrels.tsv", qrels)
    _finish(run, plan, queries, [d for q in queries for d in documents_of(q)])
    return run


def write_labels(
    root: Path | str,
    candidates: RunDirectory,
    *,
    shards: int = 3,
    committed: int | None = None,
    failed: Sequence[str] = (),
    scores: TeacherScores | None = LOGITS,
    given: Sequence[float | None] = (2.5, -1.0, 0.125, -7.75),
) -> RunDirectory:
    """Writes a label run: every list is turned round, and every second query is degraded.

    Args:
        root: Its folder.
        candidates: The run that it labels.
        shards: Number of planned shards.
        committed: Number of committed ones, which leaves the run unfinished; None for all.
        failed: Ids of quarantined queries.
        scores: What the manifest says of teacher scores; None for a teacher of orders alone.
        given: The scores of every list; queries whose number is 0 modulo 4 have none.
    """
    run = RunDirectory(root)
    lists = CandidateLists(candidates)
    queries = [Query(q, f"what is {q}?") for q in lists.query_ids()]
    recipe = {"candidates_sha256": lists.digest(), "teacher": "minilm", "window": DEPTH}
    settings = {"candidates": str(candidates.root), "out": str(root)}
    plan = _open(run, "label", ("rankings", "windows"), queries, shards, recipe, settings)
    planned = planned_queries(run, plan)
    for shard in range(shards if committed is None else committed):
        held = [q for q in planned.of_shard(shard, shards) if q.query_id not in failed]
        tables = {
            "rankings": pa.Table.from_pylist(
                [_ranking(n, q, scores and given) for n, q in enumerate(held)], RANKINGS
            ),
            "windows": pa.Table.from_pylist(
                [call for n, q in enumerate(held) for call in _calls(n, q)], WINDOWS
            ),
        }
        lost = [q.query_id for q in planned.of_shard(shard, shards) if q.query_id in failed]
        _commit(run, plan, shard, tables, lost)
    if committed is None:
        link_texts(candidates, run)
        facts = {} if scores is None else scores.as_facts()
        write_manifest(run, plan, _ledger(run, plan).history(), facts)
    return run


def _ranking(number: int, query: Query, scores: Sequence[float | None] | None) -> dict[str, object]:
    calls = _calls(number, query)
    return {
        "query_id": query.query_id,
        "doc_ids": documents_of(query)[::-1],
        "retrieval_positions": [4, 3, 2, 1],
        "retrieval_scores": [0.1, 1 / 3, 2e-300, 9.5],
        "status": "degraded" if number % 2 else "complete",
        "windows": 1,
        "repaired_windows": number % 2,
        "prompt_tokens": sum(call["prompt_tokens"] for call in calls),
        "output_tokens": sum(call["output_tokens"] for call in calls),
        "candidates_sha256": sha256_of_lines(documents_of(query)),
        "teacher_scores": scores if number % 4 else None,
    }


def _calls(number: int, query: Query) -> list[dict[str, Any]]:
    """Returns the calls for a query: one, or where its number is 0 modulo 3 a failed one before."""
    answered = _call(query, number % 3 == 0)
    answered |= {"permutation": [3, 2, 1, 0], "outcome": "ok", "output_tokens": number}
    if number % 2:
        answered |= {"outcome": "repaired", "missing": 1, "output_text": f"[4] on {query.text}"}
    failed = {**_call(query, False), "outcome": "error", "reason": "no answer", "prompt_tokens": 0}
    return [answered] if number % 3 else [failed, answered]


def _call(query: Query, is_second: bool) -> dict[str, Any]:
    return {
        "query_id": query.query_id,
        "pass_index": 0,
        "window_index": 0,
        "start": 0,
        "end": DEPTH,
        "permutation": None,
        "duplicates": 0,
        "missing": 0,
        "out_of_range": 0,
        "prompt_tokens": 2**30,
        "output_tokens": 0,
        "output_text": None,
        "attempt": 1 + is_second,
        "reason": None,
        "cut": None,
    }


def _open(
    run: RunDirectory,
    kind: Kind,
    tables: tuple[str, ...],
    queries: Sequence[Query],
    shards: int,
    recipe: dict[str, object],
    settings: dict[str, object],
) -> Plan:
    table = QueryTable(queries)
    plan = Plan.model_validate(
        {
            "kind": kind,
            "tables": tables,
            "recipe": recipe,
            "settings": settings,
            "shards": shards,
            "queries": len(table),
            "queries_sha256": table.digest(),
        }
    )
    return open_plan(run, plan, table)


def _ledger(run: RunDirectory, plan: Plan) -> Ledger:
    return Ledger(run, plan.fingerprint, plan.shards, plan.tables)


def _commit(
    run: RunDirectory, plan: Plan, shard: int, tables: dict[str, pa.Table], lost: Sequence[str]
) -> None:
    name = f"attempt-{shard}"
    for table, rows in tables.items():
        with whole_file(run.attempts / name / f"{table}.parquet") as draft:
            write_shard(draft, table, rows, plan.fingerprint)
    first = next(iter(tables.values()))
    attempt = Attempt(
        shard=shard,
        revision=0,
        name=name,
        quarantined=dict.fromkeys(lost, "the server said no"),
        counts={"windows": first.num_rows},
        facts={"device": "cpu", "base_url": "http://10.0.0.7:8000/v1"},
    )
    assert _ledger(run, plan).commit(attempt, (), lambda *given: None)


def _finish(
    run: RunDirectory, plan: Plan, queries: Sequence[Query], doc_ids: Sequence[str]
) -> None:
    write_queries(run, queries, plan.fingerprint)
    documents = [Document(d, "a title" if d.endswith("1") else "", f"about {d}") for d in doc_ids]
    write_documents(run, documents, plan.fingerprint)
    write_manifest(run, plan, _ledger(run, plan).history())
