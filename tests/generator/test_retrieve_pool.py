"""The workers of `rankgen retrieve`: how many, where, and what becomes of one that hangs."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rankgen.generator.cli import app
from rankgen.generator.jobs.retrieve import job as retrieve_module
from rankgen.generator.jobs.retrieve.job import size_pool
from rankgen.generator.jobs.retrieve.settings import RetrieveSettings
from rankgen.generator.jobs.retrieve.work import PORTION, RetrieveFactory, RetrieveWork
from rankgen.generator.shards.nodes import Node, full_nodes
from rankgen.manifests.notices import warn
from rankgen.manifests.records import Candidates, Query
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.retrieval.first_stage import RetrieverHandle, Searcher
from rankgen.retrieval.settings import parse_retriever


def nodes_with(*gpus: int) -> list[Node]:
    return [Node(f"n{n}", f"10.0.0.{n}", 16, count) for n, count in enumerate(gpus)]


@pytest.mark.parametrize(
    ("gpus", "workers", "told"),
    [
        ((8,), 2, "2 of 8 GPUs"),
        ((8, 8, 8, 8, 8, 8, 8, 8), 16, "16 of 64 GPUs"),
        ((1, 4, 0), 3, "3 of 5 GPUs"),
        ((2, 1), 3, ""),
    ],
)
def test_a_node_holds_colbert_s_index_twice_at_most(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    gpus: tuple[int, ...],
    workers: int,
    told: str,
) -> None:
    warn.cache_clear()
    monkeypatch.setattr(retrieve_module, "living_nodes", lambda: nodes_with(*gpus))
    settings = RetrieveSettings(retriever=parse_retriever("colbert"), out=Path("out"))
    pool = size_pool(settings)
    assert (pool.workers, pool.gpus, pool.most_on_a_node) == (workers, 1.0, 2)
    said = capsys.readouterr().err
    assert told in said
    assert bool(said) == bool(told)


def test_other_first_stages_and_clusters_without_gpus_take_one_worker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(retrieve_module, "cpus_of_nodes", lambda: [4])
    for name, gpus in (("bm25", 8), ("colbert", 0)):
        nodes = nodes_with(gpus)
        monkeypatch.setattr(retrieve_module, "living_nodes", lambda nodes=nodes: nodes)
        retriever = parse_retriever(name, threads=16)
        pool = size_pool(RetrieveSettings(retriever=retriever, stall_seconds=7, out=Path("out")))
        assert (pool.workers, pool.gpus, pool.cpus, pool.most_on_a_node) == (1, 0.0, 4.0, None)
        assert pool.stall_seconds == 7


def test_a_full_node_is_one_with_as_many_workers_as_it_may_have() -> None:
    assert full_nodes(["a", "b", "a", None, None], 2) == ["a"]
    assert full_nodes([None, None], 1) == []


def test_the_dry_run_says_it() -> None:
    result = CliRunner().invoke(app, ["run", "rank-distillm-10k", "--dry-run"])
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert sum("at most 2 on a node" in line for line in lines) == 4
    assert sum(line.endswith("retriever = colbert") for line in lines) == 4


@dataclass(frozen=True)
class HangsAt:
    """A searcher that hangs at a query: once, where it can leave a mark, or every time."""

    searcher: Searcher
    query_id: str
    mark: Path

    def search(self, queries: Sequence[Query], depth: int) -> list[Candidates]:
        if self.query_id in {query.query_id for query in queries} and not self.mark.is_file():
            if self.mark.parent.is_dir():
                self.mark.touch()
            threading.Event().wait()
        return self.searcher.search(queries, depth)


@dataclass(frozen=True)
class HangingFactory(RetrieveFactory):
    """Opens such a searcher at q3."""

    mark: Path = Path()

    def __call__(self) -> RetrieveWork:
        work = super().__call__()
        work._searcher = HangsAt(work._searcher, "q3", self.mark)
        return work


def retrieve_with_a_hang(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, mark: Path) -> Path:
    from ray import cloudpickle

    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    monkeypatch.setattr(
        retrieve_module,
        "RetrieveFactory",
        lambda handle: HangingFactory(handle, mark),
    )
    monkeypatch.setenv("RANKGEN_CACHE", str(tmp_path / "cache"))
    (tmp_path / "queries.tsv").write_text("".join(f"q{n}\tquery {n}\n" for n in range(8)))
    (tmp_path / "corpus.tsv").write_text("a\tone\nb\ttwo\n")
    lists = "".join(f"q{n} Q0 {d} {r} {-r} t\n" for n in range(8) for r, d in enumerate("ab", 1))
    (tmp_path / "run.trec").write_text(lists)
    command = ["retrieve", "--queries", "queries.tsv", "--corpus", "corpus.tsv", "--shards", "2"]
    command += ["--retriever", "recorded:run.trec", "--out", "out", "--stall-seconds", "3"]
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, [*command, "--max-failed", "1"])
    assert result.exit_code == 0, result.output
    return tmp_path / "out"


def deaths(out: Path) -> list[dict[str, object]]:
    (log,) = (out / ".rankgen" / "events").iterdir()
    events = [json.loads(line) for line in log.read_text().splitlines()]
    return [event for event in events if event["event"] == "worker died"]


def test_a_search_that_hangs_once_is_done_by_another_worker(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    out = retrieve_with_a_hang(monkeypatch, tmp_path, tmp_path / "hung")
    assert (tmp_path / "hung").is_file()
    lists = {row.query_id: list(row.doc_ids) for row in RunDirectory(out).candidates()}
    assert lists == {f"q{n}": ["a", "b"] for n in range(8)}
    # Both shards that the worker had are suspects, as those of label are.
    assert {event["shard"] for event in deaths(out)} <= {0, 1}
    assert all(str(event["reason"]).startswith("no progress for") for event in deaths(out))
    assert deaths(out)
    settings = json.loads((out / ".rankgen" / "plan.json").read_text())["settings"]
    assert settings["stall_seconds"] == 3


@pytest.mark.slow
def test_a_query_whose_search_always_hangs_is_quarantined(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    out = retrieve_with_a_hang(monkeypatch, tmp_path, tmp_path / "no folder" / "hung")
    held = {row.query_id for row in RunDirectory(out).candidates()}
    assert held == {f"q{n}" for n in range(8)} - {"q3"}
    manifest = json.loads((out / "manifest.json").read_text())
    assert "no progress for" in manifest["predicate"]["quarantined"]["q3"]


def test_a_worker_answers_while_it_searches_and_counts_by_portions() -> None:
    import asyncio

    going, seen = threading.Event(), []

    class Slow:
        def search(self, queries: Sequence[Query], depth: int) -> list[Candidates]:
            seen.append(len(queries))
            assert going.wait(60)
            return [Candidates(query.query_id, ("a",), (1.0,)) for query in queries]

    work = RetrieveWork(Slow(), RetrieverHandle(settings=parse_retriever("bm25", depth=1)))

    async def watched() -> list[int]:
        queries = [Query(f"q{n:04}", "") for n in range(PORTION + 5)]
        filling = asyncio.create_task(work.fill(queries, Path("unused")))
        while not seen:
            await asyncio.sleep(0.01)
        counts = [work.progress()]
        going.set()
        filled = await filling
        assert filled.tables["candidates"].num_rows == len(queries)
        await work.close()
        return [*counts, work.progress()]

    assert asyncio.run(watched()) == [0, PORTION + 5]
    assert seen == [PORTION, 5]
    assert PORTION % 128 == 0
