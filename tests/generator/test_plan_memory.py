"""A plan of many queries takes the memory of a plan of few."""

from __future__ import annotations

import pickle
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from rankgen.generator.jobs.label.job import plan_labels
from rankgen.generator.jobs.label.settings import LabelRunSettings
from rankgen.generator.shards.job import missing_tasks
from rankgen.generator.teachers.settings import LabelSettings
from rankgen.manifests.records import Document, Query
from rankgen.manifests.run.candidate_lists import CandidateLists
from rankgen.manifests.run.plan import Plan, open_plan
from rankgen.manifests.run.query_table import QueryTable
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.run.texts import write_documents, write_queries
from rankgen.manifests.schema import CANDIDATES
from rankgen.manifests.storage.digest import sha256_of_lines
from rankgen.manifests.storage.shard import write_shard
from rankgen.retrieval.collections.open_collection import open_collection
from rankgen.retrieval.collections.own_documents import find_own_documents
from rankgen.retrieval.collections.sampling import sample_queries

# Both more than the rows that are read at a time.
FEW, MANY, QUERIES_PER_SHARD = 10_000, 30_000, 250
# An object a query would be some 250 bytes, of 20,000 more queries five megabytes.
MOST_MORE_BYTES = 1_000_000


def queries(count: int) -> QueryTable:
    return QueryTable(Query(f"q{n * 7_919 % 99_991:05}", f"text {n}") for n in range(count))


def peak(work: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def drive(out: Path, plan: Plan, planned: QueryTable) -> None:
    """Does what a driver does with a plan: writes it, and packs every task for a worker."""
    open_plan(RunDirectory(out), plan, planned)
    tasks = missing_tasks(planned, plan, {})
    assert sum(len(pickle.loads(pickle.dumps(task)).queries) for task in tasks) == plan.queries


def plan_of_collection(folder: Path, count: int) -> Callable[[], None]:
    folder.mkdir()
    with (folder / "queries.tsv").open("w") as file:
        file.writelines(f"{query.query_id}\t{query.text}\n" for query in queries(count))
    (folder / "corpus.tsv").write_text("d1\ta passage\nq00000\ttext of another kind\n")

    def work() -> None:
        collection = open_collection(str(folder))
        every = QueryTable(collection.queries())
        assert find_own_documents("auto", collection, every).others == {"q00000"}
        asked = QueryTable(sample_queries(every, count // 2, seed=3))
        plan = Plan(
            kind="retrieve",
            tables=("candidates",),
            recipe={},
            settings={},
            shards=max(1, count // QUERIES_PER_SHARD),
            queries=len(asked),
            queries_sha256=asked.digest(),
        )
        drive(folder / "out", plan, asked)

    return work


def plan_of_candidates(folder: Path, count: int) -> Callable[[], None]:
    run, planned = RunDirectory(folder), queries(count)
    digest = sha256_of_lines(["d1"])
    shards = max(1, count // QUERIES_PER_SHARD)
    for shard in range(shards):
        ids = [query.query_id for query in planned.of_shard(shard, shards)]
        columns = [ids, [["d1"]] * len(ids), [[1.0]] * len(ids), [digest] * len(ids)]
        rows = pa.table(dict(zip(CANDIDATES.names, columns, strict=True)), schema=CANDIDATES)
        write_shard(run.shard_path("candidates", shard, shards), "candidates", rows, "f")
    write_queries(run, planned, "f")
    write_documents(run, [Document("d1", "", "a passage")], "f")
    settings = LabelRunSettings(
        candidates=folder,
        teacher=LabelSettings(teacher="scripted:hash"),
        shards=max(1, count // QUERIES_PER_SHARD),
        out=folder / "out",
    )

    def work() -> None:
        drive(folder / "out", *plan_labels(settings))
        # As a worker looks lists up, from either end of the ids.
        lists = CandidateLists(run)
        for query_id in (min(ids), max(ids)):
            assert lists.of([query_id])[0].doc_ids == ("d1",)

    return work


@pytest.mark.parametrize("prepared", [plan_of_collection, plan_of_candidates])
def test_a_plan_holds_no_object_a_query(
    tmp_path: Path, prepared: Callable[[Path, int], Callable[[], None]]
) -> None:
    peak(prepared(tmp_path / "first", 100))  # Loads what is loaded once a process.
    few, many = (peak(prepared(tmp_path / str(count), count)) for count in (FEW, MANY))
    assert many - few < MOST_MORE_BYTES, (few, many)
