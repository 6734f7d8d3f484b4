"""Finished retrieve runs with made-up texts and candidates."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rankgen.manifests.records import Candidates, Document, Query
from rankgen.manifests.run.candidate_rows import candidate_table
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.run.texts import write_documents, write_queries
from rankgen.manifests.storage.atomic import whole_file
from rankgen.manifests.storage.shard import write_shard


def write_run(
    run: RunDirectory, found: Sequence[Candidates], queries: Sequence[Query], texts: dict[str, str]
) -> None:
    with whole_file(run.shard_path("candidates", 0, 1)) as draft:
        write_shard(draft, "candidates", candidate_table(found), "f")
    write_queries(run, queries, "f")
    write_documents(run, [Document(doc_id, "", text) for doc_id, text in texts.items()], "f")


def write_overlapping(run: RunDirectory, queries: Sequence[Query]) -> None:
    """Gives each query 20 of 60 passages: with windows of 8 by 4, chains of four windows."""
    found = [
        Candidates(
            query.query_id,
            tuple(f"d{(7 * number + 3 * i) % 60}" for i in range(20)),
            tuple(float(20 - i) for i in range(20)),
        )
        for number, query in enumerate(queries)
    ]
    write_run(run, found, queries, {f"d{n}": f"passage {n}" for n in range(60)})


def write_one(root: Path) -> Path:
    """Writes one query with one candidate."""
    found = [Candidates("q", ("d",), (1.0,))]
    write_run(RunDirectory(root), found, [Query("q", "text")], {"d": "text"})
    return root
