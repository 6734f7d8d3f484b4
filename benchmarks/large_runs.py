"""Makes label runs of any size: sliding windows that move as a teacher's do, and texts of words."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import JsonValue

from rankgen.generator.jobs.label.checks import validate_rankings
from rankgen.generator.jobs.label.counts import label_counts
from rankgen.generator.shards.in_process import InProcessJob, run_in_process
from rankgen.generator.shards.work import ShardTask
from rankgen.generator.strategies.windows import spans
from rankgen.manifests.records import Document, Query
from rankgen.manifests.run.plan import Plan, default_shards
from rankgen.manifests.run.query_table import QueryTable
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.run.texts import write_queries, write_sorted_documents
from rankgen.manifests.schema import RANKINGS, WINDOWS
from rankgen.manifests.storage.digest import sha256_of_lines

WINDOW, STRIDE = 20, 10
# MS MARCO's passages have some 56 words, which follow Zipf's law about as these do.
WORDS, VOCABULARY = 56, 60_000
# One window of so many is repaired, and keeps its answer.
REPAIRED_OF = 50


class MadeUpLabels:
    """A label run of `queries` lists of `depth` passages, drawn from `passages` different ones."""

    def __init__(self, root: Path, queries: int, depth: int, passages: int) -> None:
        self.run = RunDirectory(root)
        self._depth, self._passages = depth, passages
        asked = QueryTable(Query(f"q{n:07}", _words(n, 6)) for n in range(queries))
        self._plan = Plan(
            kind="label",
            tables=("rankings", "windows"),
            recipe={"teacher": "made up", "window": WINDOW, "stride": STRIDE},
            settings={},
            shards=default_shards(queries),
            queries=queries,
            queries_sha256=asked.digest(),
        )
        self._asked = asked

    def write(self) -> RunDirectory:
        """Writes the run, with its texts."""
        job = InProcessJob(
            self.run,
            self._plan,
            "windows",
            self._asked,
            self._fill,
            label_counts,
            validate_rankings,
            self._finish,
        )
        run_in_process(job)
        return self.run

    def _finish(self, _: Mapping[str, int]) -> dict[str, JsonValue]:
        write_queries(self.run, self._asked, self._plan.fingerprint)
        documents = (Document(doc_id(n), "", _words(n, WORDS)) for n in range(self._passages))
        write_sorted_documents(self.run, documents, self._passages, self._plan.fingerprint)
        return {}

    def _fill(self, task: ShardTask) -> dict[str, pa.Table]:
        rankings: list[dict[str, object]] = []
        windows: list[dict[str, object]] = []
        for query in task.queries:
            random = np.random.default_rng(int(query.query_id[1:]))
            found = random.choice(self._passages, self._depth, replace=False)
            order, calls = _labelled(query.query_id, self._depth, random)
            windows += calls
            rankings.append(_ranking(query.query_id, found, order, calls))
        return {
            "rankings": pa.Table.from_pylist(rankings, schema=RANKINGS),
            "windows": pa.Table.from_pylist(windows, schema=WINDOWS),
        }


def doc_id(number: int) -> str:
    """Returns the id of a passage; ids sort as their numbers do."""
    return f"msmarco-{number:08}"


def _words(seed: int, count: int) -> str:
    random = np.random.default_rng(seed)
    return " ".join(_word(n % VOCABULARY) for n in random.zipf(1.15, count).tolist())


@functools.cache
def _word(number: int) -> str:
    """Returns a word of one to four syllables; the commoner, the shorter."""
    letters = ""
    while True:
        number, letter = divmod(number, 20)
        letters += "tnshrdlcmfwypvbgkjxz"[letter] + "aeiou"[(number + letter) % 5]
        if not number:
            return letters


def _labelled(
    query_id: str, depth: int, random: np.random.Generator
) -> tuple[NDArray[np.int64], list[dict[str, object]]]:
    """Returns the order that sliding windows lead to, as first-stage places, and the windows."""
    worth = random.normal(size=depth) - np.linspace(0, 2, depth)
    order = np.arange(depth)
    calls: list[dict[str, object]] = []
    for number, (start, end) in enumerate(spans(depth, WINDOW, STRIDE)):
        permutation = np.argsort(-worth[order[start:end]], kind="stable")
        order[start:end] = order[start:end][permutation]
        is_repaired = random.integers(REPAIRED_OF) == 0
        calls.append(_call(query_id, number, (start, end), permutation.tolist(), is_repaired))
    return order, calls


def _call(
    query_id: str, number: int, span: tuple[int, int], permutation: list[int], is_repaired: bool
) -> dict[str, object]:
    answer = " > ".join(f"[{place + 1}]" for place in permutation[:-1])
    return {
        "query_id": query_id,
        "pass_index": 0,
        "window_index": number,
        "start": span[0],
        "end": span[1],
        "permutation": permutation,
        "outcome": "repaired" if is_repaired else "ok",
        "duplicates": 0,
        "missing": int(is_repaired),
        "out_of_range": 0,
        "prompt_tokens": 2_000,
        "output_tokens": 90,
        "output_text": answer if is_repaired else None,
        "attempt": 1,
        "cut": 0,
    }


def _ranking(
    query_id: str,
    found: NDArray[np.int64],
    order: NDArray[np.int64],
    calls: list[dict[str, object]],
) -> dict[str, object]:
    ids = [doc_id(n) for n in found]
    repaired = sum(call["outcome"] == "repaired" for call in calls)
    return {
        "query_id": query_id,
        "doc_ids": [ids[place] for place in order],
        "retrieval_positions": [int(place) + 1 for place in order],
        "retrieval_scores": [30.0 - 0.25 * int(place) for place in order],
        "status": "degraded" if repaired else "complete",
        "windows": len(calls),
        "repaired_windows": repaired,
        "prompt_tokens": 2_000 * len(calls),
        "output_tokens": 90 * len(calls),
        "candidates_sha256": sha256_of_lines(ids),
    }
