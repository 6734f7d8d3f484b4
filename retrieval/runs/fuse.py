"""Several retrieve runs as one first stage: their lists are fused once."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator, Sequence

from rankgen.manifests.errors import IncompleteRun, UsageError
from rankgen.manifests.records import Candidates
from rankgen.manifests.run.candidate_lists import CandidateLists
from rankgen.manifests.run.plan import read_plan
from rankgen.manifests.run.query_table import QueryTable
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.storage.digest import sha256_of_lines
from rankgen.manifests.storage.string_pairs import place_of
from rankgen.retrieval.first_stage import Prepared, Wanted
from rankgen.retrieval.runs.fusion import fused
from rankgen.retrieval.runs.lists import PORTION, ListSearcher, cached_lists
from rankgen.retrieval.settings import RetrieverSettings

open_searcher = ListSearcher


def check(settings: RetrieverSettings) -> None:
    """Checks that every run is finished and has candidates."""
    _opened(settings)


def identity(settings: RetrieverSettings) -> dict[str, object]:
    """Returns the depth, how the lists are fused, and the digest of all of them."""
    return _identity(settings, [CandidateLists(run) for run in _opened(settings)])


def prepare(wanted: Wanted) -> Prepared:
    """Fuses the runs' lists; a query that some runs lack is fused from the others.

    Where the runs hold a document that is the query itself, it has no part in the fusion and stands
    above the list, for the worker to leave out.

    Raises:
        UsageError: A run has no candidates, or another corpus.
        IncompleteRun: A run was not finished.
    """
    runs = _opened(wanted.settings)
    for run in runs:
        if read_plan(run).recipe.get("corpus_sha256") != wanted.collection.digest():
            raise UsageError(
                f"{run.root} was retrieved from another corpus than {wanted.collection.name}",
                "fuse runs of one collection",
            )
    inputs = [CandidateLists(run) for run in runs]
    values = _identity(wanted.settings, inputs)
    handle = cached_lists(wanted, "fused", values, _fused_lists(inputs, wanted))
    asked = (q for q in wanted.queries if any(q.query_id in lists for lists in inputs))
    return Prepared(handle, values, QueryTable(asked))


def _identity(settings: RetrieverSettings, inputs: Sequence[CandidateLists]) -> dict[str, object]:
    """Returns the identity; the runs count in the order in which they are named."""
    return {
        "name": "fuse",
        "depth": settings.depth,
        "fusion": settings.fusion,
        "inputs_sha256": sha256_of_lines(lists.digest() for lists in inputs),
    }


def _fused_lists(inputs: Sequence[CandidateLists], wanted: Wanted) -> Iterator[Candidates]:
    """Yields the fused lists in the order of the runs' shards, which are read for a portion."""
    merged = heapq.merge(*(lists.query_ids_by_place() for lists in inputs), key=place_of)
    query_ids = (query_id for query_id, _ in itertools.groupby(merged))
    while portion := list(itertools.islice(query_ids, PORTION)):
        found: dict[str, list[Sequence[str]]] = {query_id: [] for query_id in portion}
        for lists in inputs:
            for candidates in lists.of(query_id for query_id in portion if query_id in lists):
                found[candidates.query_id].append(candidates.doc_ids)
        for query_id, each in found.items():
            left_out = query_id if query_id in wanted.own else None
            doc_ids, scores = _fused_beside(left_out, each, wanted.settings)
            yield Candidates(query_id, tuple(doc_ids), tuple(scores))


def _fused_beside(
    left_out: str | None, lists: Sequence[Sequence[str]], settings: RetrieverSettings
) -> tuple[list[str], list[float]]:
    if left_out is None or not any(left_out in doc_ids for doc_ids in lists):
        return fused(lists, settings.fusion, settings.depth)
    others = [[doc_id for doc_id in doc_ids if doc_id != left_out] for doc_ids in lists]
    doc_ids, scores = fused(others, settings.fusion, settings.depth)
    return [left_out, *doc_ids], [scores[0] if scores else 0.0, *scores]


def _opened(settings: RetrieverSettings) -> list[RunDirectory]:
    """Returns the runs, each of them finished."""
    runs = [RunDirectory(name) for name in settings.inputs]
    for name, run in zip(settings.inputs, runs, strict=True):
        if not run.has_table("candidates"):
            hint = "name folders that `rankgen retrieve` made"
            raise UsageError(f"{name} has no candidates", hint)
        if not run.manifest.is_file():
            hint = "repeat its command to finish it"
            raise IncompleteRun(f"the run {name} is not complete", hint)
    return runs
