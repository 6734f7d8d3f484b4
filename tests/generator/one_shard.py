"""A label run of one shard of two queries, by a server with faults, filled without Ray."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from faulty_server import Reply, answer, serving

from rankgen.generator.engines.server.served_run import ServedRun
from rankgen.generator.jobs.label.checks import validate_rankings
from rankgen.generator.jobs.label.factory import LabelFactory
from rankgen.generator.jobs.label.job import plan_labels
from rankgen.generator.jobs.label.settings import LabelRunSettings
from rankgen.generator.shards.work import ShardTask
from rankgen.generator.shards.worker import ShardWorker
from rankgen.generator.teachers.settings import LabelSettings
from rankgen.manifests.records import Candidates, Document, Query
from rankgen.manifests.run.candidate_rows import candidate_table
from rankgen.manifests.run.commit_record import Attempt, CommitRecord
from rankgen.manifests.run.ledger import Ledger
from rankgen.manifests.run.plan import open_plan
from rankgen.manifests.run.provenance import write_manifest
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.run.store_probe import StoreToken
from rankgen.manifests.run.texts import link_texts, write_documents, write_queries
from rankgen.manifests.run.verify import verify_run
from rankgen.manifests.storage.shard import write_shard

QUERIES = (Query("a", "question a"), Query("b", "question b"))
# Windows of 4 over 6 passages: two a query.
DEPTH, WINDOWS = 6, 2
Behaviour = Callable[[str, int], Reply]
Row = dict[str, object]


class OneShard:
    """A label run of one shard, filled in this process and committed by the real ledger.

    Args:
        root: Holds the candidates and the run.
        teacher: The teacher.
        served: What the run's workers share about their server.
    """

    def __init__(self, root: Path, teacher: LabelSettings, served: ServedRun | None = None) -> None:
        source, self.run = RunDirectory(root / "candidates"), RunDirectory(root / "run")
        if not source.has_table("candidates"):
            write_candidates(source)
        settings = LabelRunSettings(candidates=source.root, teacher=teacher, out=self.run.root)
        plan, queries = plan_labels(settings)
        self.plan = open_plan(self.run, plan, queries)
        self.ledger = Ledger(self.run, self.plan.fingerprint, 1, self.plan.tables)
        self._factory = LabelFactory(
            source.root, teacher.resolved(), plan.recipe.get("documents_sha256"), served=served
        )
        self._source = source

    def filled(self, revision: int, *queries: Query) -> Path:
        """Fills the shard in a worker of its own and returns the attempt's folder."""
        nothing = StoreToken(self.run.root, b"")
        worker = ShardWorker(self.run.root, self.plan.fingerprint, 1, self._factory, nothing)
        worker._work = self._factory()

        async def fill() -> Attempt:
            attempt = await worker.fill(ShardTask(0, revision, queries))
            await worker.stop()
            return attempt

        self._attempt = asyncio.run(fill())
        return self.run.attempts / self._attempt.name

    def commit(self) -> CommitRecord:
        """Commits what was filled last."""
        planned = [query.query_id for query in QUERIES]
        assert self.ledger.commit(self._attempt, planned, validate_rankings)
        return self.ledger.records()[0]

    def is_clean(self) -> bool:
        """Finishes the run and verifies every row."""
        link_texts(self._source, self.run)
        write_manifest(self.run, self.plan, self.ledger.history())
        found = verify_run(self.run, validate_rankings)
        assert found.problems == ()
        return found.is_finished

    def calls(self, query_id: str) -> list[Row]:
        rows: list[Row] = self.run.read("windows").to_pylist()
        return [row for row in rows if row["query_id"] == query_id]


def write_candidates(run: RunDirectory) -> None:
    doc_ids = [f"d{n}" for n in range(DEPTH)]
    scores = tuple(float(DEPTH - n) for n in range(DEPTH))
    found = [Candidates(query.query_id, tuple(doc_ids), scores) for query in QUERIES]
    write_shard(run.shard_path("candidates", 0, 1), "candidates", candidate_table(found), "f")
    write_queries(run, list(QUERIES), "f")
    documents = [Document(doc_id, "", f"text of {doc_id}") for doc_id in doc_ids]
    write_documents(run, documents, "f")


@contextmanager
def labelled(root: Path, behave: Behaviour, **more: object) -> Iterator[OneShard]:
    """A run by a server that is told the query and how often it was asked about a window."""

    def reply(request: dict[str, object], seen: int) -> Reply:
        content = json.dumps(request["messages"])
        query = next((q.query_id for q in QUERIES if q.text in content), None)
        # A trial comes before all windows.
        return clean() if query is None else behave(query, seen)

    with serving(reply) as server:
        values = {"teacher": "listwise", "model": "m", "base_url": server.url, **more}
        teacher = LabelSettings.model_validate({"window": 4, "stride": 2, **values})
        yield OneShard(root, teacher)


def clean() -> Reply:
    return answer("[4] > [3] > [2] > [1]")


def first_of_a(*replies: Reply) -> Behaviour:
    """Answers what is asked first for query a, whatever the window, with these."""
    left = list(replies)
    return lambda query, seen: left.pop(0) if query == "a" and left else clean()


def orders(run: RunDirectory) -> dict[str, list[str]]:
    rows = run.read("rankings", ["query_id", "doc_ids"]).to_pylist()
    return {row["query_id"]: row["doc_ids"] for row in rows}
