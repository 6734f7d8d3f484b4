"""The lists that all systems label, and the prompts of a finished run.

Every passage begins with a grade word, by which the tiny ranker orders it, and goes on with words
of Python's own documentation. No two queries share a passage, so that nothing learned from one
query's texts speeds up another's.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rankgen.manifests.records import Candidates, Document, Query
from rankgen.manifests.run.candidate_rows import candidate_table
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.run.texts import write_documents, write_queries
from rankgen.manifests.storage.shard import write_shard
from rankgen.retrieval.collections.docstrings import read_docstrings

if TYPE_CHECKING:
    from rankgen.generator.teachers.prompter import ListwisePrompter

RANKER = Path(__file__).parents[2] / "tests" / "fixtures" / "tiny_ranker"
DEPTH, WINDOW, STRIDE = 100, 20, 10
WINDOWS_A_QUERY = 1 + (DEPTH - WINDOW) // STRIDE


def graded_passages(chance: random.Random, count: int, words: int) -> list[str]:
    """Returns passages of about so many words after their grades, which differ."""
    grades = (RANKER / "grades.txt").read_text().split()
    texts = _words()
    found = []
    for grade in chance.sample(range(len(grades)), count):
        length = chance.randint(words // 2, words + words // 2)
        first = chance.randrange(len(texts) - length)
        found.append(" ".join([grades[grade], *texts[first : first + length]]))
    return found


def write_lists(root: Path, queries: int, words: int) -> None:
    """Writes a finished retrieve run of so many queries with DEPTH candidates each."""
    run = RunDirectory(root)
    documents, found, asked = list[Document](), list[Candidates](), list[Query]()
    scores = tuple(float(-place) for place in range(DEPTH))
    for number in range(queries):
        chance = random.Random(f"{queries} {words} {number}")
        name = f"q{number:04}"
        ids = tuple(f"{name}-{place:02}" for place in range(DEPTH))
        passages = graded_passages(chance, DEPTH, words)
        documents += (Document(*row) for row in zip(ids, ("",) * DEPTH, passages, strict=True))
        found.append(Candidates(name, ids, scores))
        asked.append(Query(name, f"the order of list {number}"))
    write_shard(run.shard_path("candidates", 0, 1), "candidates", candidate_table(found), "f")
    write_queries(run, asked, "f")
    write_documents(run, documents, "f")


def read_lists(root: Path) -> Iterator[tuple[Query, list[Document]]]:
    """Yields every query with its candidates, best first."""
    run = RunDirectory(root)
    queries = {row["query_id"]: row["text"] for row in run.read("queries").to_pylist()}
    texts = {row["doc_id"]: row for row in run.read("documents").to_pylist()}
    for row in run.candidates():
        documents = [Document(**texts[doc_id]) for doc_id in row.doc_ids]
        yield Query(row.query_id, queries[row.query_id]), documents


def shown_windows(
    documents: Sequence[Document], calls: Sequence[dict[str, object]]
) -> Iterator[list[Document]]:
    """Yields what a finished run showed in each of a query's windows.

    Args:
        documents: The query's candidates, best first.
        calls: Its rows of the table `windows`, in the order of the calls.
    """
    order = list(documents)
    for call in calls:
        start, end, permutation = call["start"], call["end"], call["permutation"]
        assert isinstance(start, int)
        assert isinstance(end, int)
        assert isinstance(permutation, list)
        span = order[start:end]
        yield span
        order[start:end] = [span[place] for place in permutation]


def finished_prompts(
    lists: Path, run: Path, prompter: ListwisePrompter
) -> dict[tuple[str, int], tuple[int, ...]]:
    """Returns the token ids of every window of a finished run, by query id and call."""
    calls = dict[str, list[dict[str, object]]]()
    rows = RunDirectory(run).read("windows").to_pylist()
    for call in sorted(rows, key=lambda row: row["window_index"]):
        if call["permutation"] is not None:
            calls.setdefault(call["query_id"], []).append(call)
    return {
        (query.query_id, number): prompter.build(query, shown).token_ids
        for query, documents in read_lists(lists)
        for number, shown in enumerate(shown_windows(documents, calls.get(query.query_id, ())))
    }


def _words() -> list[str]:
    if not _WORDS:
        for document in read_docstrings():
            _WORDS.extend(document.body.split())
    return _WORDS


_WORDS = list[str]()
