"""CPU milliseconds of a window outside the engine: a teacher whose engine answers at once.

Everything that a label worker does is there: the texts, ftfy, the prompt's tokens, the chains, the
reading of answers, the journal with its syncs, the rows and the shard's files. The passages are
MS MARCO's, 100 a query, in windows of 20 by 10. A shard of TREC DL 2022's goes first, as a run of
days has long met most words; then every passage of TREC DL 2019's is seen for the first time.

Run `RANKGEN_TEST_DATA=... python benchmarks/outside_engine.py [--profile]`; the result goes to
benchmarks/results/outside_engine.json.
"""

from __future__ import annotations

import asyncio
import cProfile
import gc
import json
import os
import pstats
import random
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path

from results_file import write_results

from rankgen.generator.answers.outcomes import TokenUsage
from rankgen.generator.engines.base import EnginePrompt, Generation
from rankgen.generator.jobs.label.work import LabelWork
from rankgen.generator.prompts.passages import prepare_passage
from rankgen.generator.prompts.profiles import ChatMessage
from rankgen.generator.shards.work import FilledShard
from rankgen.generator.teachers import registry
from rankgen.generator.teachers.settings import LabelSettings
from rankgen.manifests.records import Candidates, Document, Query
from rankgen.manifests.run.candidate_rows import candidate_table
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.run.texts import DocumentTexts, write_documents, write_queries
from rankgen.manifests.storage.shard import write_shard

ROUNDS, DEPTH, WINDOW, WINDOWS, AT_ONCE, DRAWN = 5, 100, 20, 9, 32, 997
BEFORE, MEASURED = "msmarco-dl22", "msmarco-dl19"


class InstantEngine:
    """Answers with one of many rankings, drawn beforehand, at the next turn of the loop."""

    repeatable = True

    def __init__(self) -> None:
        draw = random.Random(0)
        orders = [draw.sample(range(1, WINDOW + 1), WINDOW) for _ in range(DRAWN)]
        self._texts = cycle([" > ".join(f"[{number}]" for number in order) for order in orders])
        self._ids = tuple(range(90))

    def wants_merged_system(self, messages: Sequence[ChatMessage]) -> bool:
        """Returns False."""
        return False

    async def generate(self, prompt: EnginePrompt, max_tokens: int) -> Generation:
        """Returns a permutation of the window."""
        await asyncio.sleep(0)
        usage = TokenUsage(len(prompt.token_ids), len(self._ids))
        return Generation(next(self._texts), self._ids, "stop", usage)

    async def close(self) -> None:
        """Has nothing to stop."""

    def facts(self) -> Mapping[str, str]:
        """Has none."""
        return {}


def passages(folder: Path) -> list[Document]:
    """Returns a collection's passages, as many as whole lists hold."""
    lines = (folder / "corpus.jsonl").read_text(encoding="utf-8").split("\n")
    rows = [json.loads(line) for line in lines if line]
    documents = [Document(row["_id"], row["title"], row["text"]) for row in rows]
    return documents[: len(documents) // DEPTH * DEPTH]


def write_candidates(data: Path, root: Path) -> tuple[RunDirectory, list[Query], list[Query]]:
    """Gives each query 100 passages of its own.

    Returns:
        The run, the queries of the first shard, and those of the second, which is measured.
    """
    before, measured = passages(data / BEFORE), passages(data / MEASURED)
    documents = before + measured
    asked = [
        Query(f"q{number:03}", f"how does the part numbered {number} of a whole work in practice")
        for number in range(len(documents) // DEPTH)
    ]
    scores = tuple(float(-place) for place in range(DEPTH))
    found = [
        Candidates(
            query.query_id,
            tuple(d.doc_id for d in documents[DEPTH * number : DEPTH * number + DEPTH]),
            scores,
        )
        for number, query in enumerate(asked)
    ]
    run = RunDirectory(root)
    write_shard(run.shard_path("candidates", 0, 1), "candidates", candidate_table(found), "f")
    write_queries(run, asked, "f")
    write_documents(run, documents, "f")
    first = len(before) // DEPTH
    return run, asked[:first], asked[first:]


def teacher_settings(data: Path) -> LabelSettings:
    """Returns RankZephyr's settings, whose weights are never read."""
    return LabelSettings(
        teacher="rankzephyr",
        model=str(data),
        tokenizer="rankzephyr",
        dtype="float32",
        concurrency=AT_ONCE,
    ).resolved()


async def fill(work: LabelWork, queries: Sequence[Query], folder: Path) -> FilledShard:
    """Fills a shard and writes its files, as a worker does."""
    folder.mkdir()
    filled = await work.fill(queries, folder / "journal")
    for table, rows in filled.tables.items():
        await asyncio.to_thread(write_shard, folder / f"{table}.parquet", table, rows, "f")
    work.counts(filled.tables)
    return filled


def one_round(
    run: RunDirectory, before: Sequence[Query], queries: Sequence[Query], folder: Path
) -> dict[str, float]:
    """Labels two shards with a new teacher; returns the second's CPU and wall ms a window."""
    folder.mkdir()
    digest = DocumentTexts(run).digest()
    prepare_passage.cache_clear()
    work = LabelWork(run, teacher_settings(folder), digest)
    # As a worker does once its work is loaded.
    gc.collect()
    gc.freeze()
    with asyncio.Runner() as runner:
        runner.run(fill(work, before, folder / "before"))
        cpu, wall = time.process_time(), time.perf_counter()
        filled = runner.run(fill(work, queries, folder / "measured"))
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    windows = filled.tables["windows"].num_rows
    assert not filled.failed
    assert windows == WINDOWS * len(queries)
    return {"cpu_ms": 1000 * cpu / windows, "wall_ms": 1000 * wall / windows, "windows": windows}


def main() -> None:
    """Measures it and writes the result, or prints a profile."""
    data = Path(os.environ["RANKGEN_TEST_DATA"])
    registry._vllm = lambda *_: InstantEngine()
    with tempfile.TemporaryDirectory() as folder:
        run, before, queries = write_candidates(data, Path(folder, "candidates"))
        if "--profile" in sys.argv:
            one_round(run, before[:1], queries[:2], Path(folder, "imports"))
            with cProfile.Profile(time.thread_time) as profile:
                one_round(run, before, queries, Path(folder, "profiled"))
            pstats.Stats(profile).sort_stats(sys.argv[-1]).print_stats(45)
            return
        rounds = [one_round(run, before, queries, Path(folder, f"{n}")) for n in range(ROUNDS)]
    print(rounds)
    write_results(
        "outside_engine",
        {
            "windows": rounds[0]["windows"],
            "cpu_ms_a_window": [round(one["cpu_ms"], 3) for one in rounds],
            "wall_ms_a_window": [round(one["wall_ms"], 3) for one in rounds],
        },
    )


if __name__ == "__main__":
    main()
