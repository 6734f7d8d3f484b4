"""The soak's candidates, and the check of what was made of them."""

from __future__ import annotations

import random
from pathlib import Path

from rankgen.manifests.records import Candidates, Document, Query
from rankgen.manifests.run.candidate_rows import candidate_table
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.run.texts import write_documents, write_queries
from rankgen.manifests.storage.shard import write_shard
from soaking.server import order

DEPTH, WINDOWS_OF_A_QUERY = 100, 9
QUERIES_A_MINUTE = 80
DOCUMENTS = 5000


def make_candidates(folder: Path, queries: int) -> Path:
    """Writes a finished retrieve run of `queries` queries with DEPTH candidates each."""
    chance = random.Random(queries)
    run = RunDirectory(folder)
    asked = [Query(f"q{n:06}", f"question q{n:06}") for n in range(queries)]
    scores = tuple(float(DEPTH - rank) for rank in range(DEPTH))
    found = [
        Candidates(
            query.query_id,
            tuple(f"d{n}" for n in chance.sample(range(DOCUMENTS), DEPTH)),
            scores,
        )
        for query in asked
    ]
    write_shard(run.shard_path("candidates", 0, 1), "candidates", candidate_table(found), "f")
    write_queries(run, asked, "f")
    write_documents(run, [Document(f"d{n}", "", f"passage d{n}") for n in range(DOCUMENTS)], "f")
    return folder


def misordered(out: str, queries: int) -> int:
    """Returns how many rankings are not what the teacher's order makes of the candidates.

    Raises:
        AssertionError: Not every query has one ranking.
    """
    run = RunDirectory(out)
    rows = [row for shard in run.shards("rankings") for row in shard.to_pylist()]
    assert len({row["query_id"] for row in rows}) == len(rows) == queries
    return sum(_ranked(row) != row["doc_ids"] for row in rows)


def _ranked(row: dict[str, list[str]]) -> list[str]:
    """Slides windows of 20 by 10 over the first-stage order, as the paper does (section 3)."""
    by_position = sorted(zip(row["retrieval_positions"], row["doc_ids"], strict=True))
    ranked = [doc_id for _, doc_id in by_position]
    for start in range(DEPTH - 20, -1, -10):
        window = ranked[start : start + 20]
        places = order(str(row["query_id"]), window)
        ranked[start : start + 20] = [window[place] for place in places]
    return ranked
