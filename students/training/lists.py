"""Training lists: the rankings of a run, cut to a depth, without those of a single passage."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rankgen.manifests.errors import IntegrityProblem, UsageError
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.students.choices import SampleMode


class RankedList(NamedTuple):
    """One query's passages in teacher order, best first: rank = position + 1."""

    query_id: str
    doc_ids: tuple[str, ...]
    # Shape (n,); None if they are not learned.
    scores: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class TrainingLists:
    """The lists of a rankings run with their texts.

    Attributes:
        lists: The lists, sorted by query id, each long enough to teach something.
        queries: Text by query id.
        documents: "title text" by document id.
        skipped: The number of shorter lists, such as those of one passage, which order nothing.
        titles: Title by document id, where there is one.
    """

    lists: tuple[RankedList, ...]
    queries: dict[str, str]
    documents: dict[str, str]
    skipped: int
    titles: dict[str, str] = field(default_factory=dict)


def read_training_lists(
    run: RunDirectory, depth: int | None, *, with_scores: bool = False, shortest: int = 2
) -> TrainingLists:
    """Reads the published rankings of a run and the texts of their queries and documents.

    Args:
        run: A folder that `rankgen label` wrote.
        depth: Keep the teacher's top `depth` passages of each list; None keeps all.
        with_scores: Whether the teacher's scores are learned; every list then has some.
        shortest: Passages of the shortest list that teaches anything.

    Raises:
        UsageError: The run has no rankings, or none with as many passages.
        IntegrityProblem: A ranking names a query or document whose text is missing, or a score is
            not a finite number.
    """
    lists: list[RankedList] = []
    skipped = 0
    columns = ["query_id", "doc_ids", *(["teacher_scores"] if with_scores else [])]
    for shard in run.shards("rankings", columns):
        for row in shard.to_pylist():
            doc_ids = tuple(row["doc_ids"][:depth])
            if len(doc_ids) < shortest:
                skipped += 1
                continue
            scores = np.array(row["teacher_scores"][:depth], np.float32) if with_scores else None
            if scores is not None and not np.isfinite(scores).all():
                raise IntegrityProblem(
                    f"{run.root} has a teacher's score of query {row['query_id']} that is not a "
                    "finite number in 32 bits",
                    "learn the order alone: --loss ranknet",
                )
            lists.append(RankedList(row["query_id"], doc_ids, scores))
    if not lists:
        least = "two passages or more" if shortest == 2 else "a passage"
        raise UsageError(
            f"{run.root} has no ranking of {least} ({skipped} shorter ones)",
            "label with more candidates per query, or raise --depth",
        )
    queries = run.texts("queries")
    documents, titles = run.texts_and_titles("documents")
    _check_texts(run, lists, queries, documents)
    lists.sort(key=lambda ranked: ranked.query_id)
    used = {doc_id for ranked in lists for doc_id in ranked.doc_ids}
    return TrainingLists(
        tuple(lists),
        {ranked.query_id: queries[ranked.query_id] for ranked in lists},
        {doc_id: documents[doc_id] for doc_id in sorted(used)},
        skipped,
        {doc_id: titles[doc_id] for doc_id in sorted(used & titles.keys())},
    )


def _check_texts(
    run: RunDirectory,
    lists: Sequence[RankedList],
    queries: dict[str, str],
    documents: dict[str, str],
) -> None:
    for ranked in lists:
        lacking = [f"document {doc_id}" for doc_id in ranked.doc_ids if doc_id not in documents]
        if ranked.query_id not in queries:
            lacking = [f"query {ranked.query_id}"]
        if lacking:
            raise IntegrityProblem(
                f"{run.root} ranks {lacking[0]} but has no text for it",
                f"rankgen verify {run.root}",
            )


def sample_positions(
    length: int, size: int | None, mode: SampleMode, generator: np.random.Generator
) -> NDArray[np.int64]:
    """Draws positions of a list, in increasing order, so that the sample keeps the ranking.

    Args:
        length: Number of passages in the list.
        size: Number of positions to draw; None, or at least `length`, takes all.
        mode: `random` draws uniformly; `best` takes the top passage and draws the others uniformly;
            `spread` takes the top passage and draws one from each of size - 1 equal strata of the
            rest, so that distant ranks are always compared.
        generator: The random generator.
    """
    if size is None or size >= length:
        return np.arange(length)
    if mode == "random":
        return np.sort(generator.choice(length, size=size, replace=False))
    if mode == "best":
        rest = 1 + generator.choice(length - 1, size=size - 1, replace=False)
        return np.array([0, *np.sort(rest)], dtype=np.int64)
    edges = np.linspace(1, length, size).astype(np.int64)
    drawn = [int(generator.integers(low, high)) for low, high in itertools.pairwise(edges)]
    return np.array([0, *drawn], dtype=np.int64)
