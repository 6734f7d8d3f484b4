"""Several retrieve runs as one first stage: their lists are fused once and replayed by workers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rankgen.manifests.errors import IncompleteRun, UsageError
from rankgen.manifests.run.candidate_lists import CandidateLists
from rankgen.manifests.run.plan import read_plan
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.storage.digest import sha256_of_lines, sha256_of_value
from rankgen.retrieval.cache import cached_folder
from rankgen.retrieval.collections.collection import Collection
from rankgen.retrieval.runs.fusion import fused
from rankgen.retrieval.runs.recorded import write_lists
from rankgen.retrieval.settings import RetrieverSettings


def digest_of_inputs(inputs: Sequence[str]) -> str:
    """Returns the digest of the runs' lists, in the order in which the runs are named."""
    return sha256_of_lines(CandidateLists(_opened(name)).digest() for name in inputs)


def prepare_fusion(
    settings: RetrieverSettings,
    collection: Collection,
    cache: Path,
    own: frozenset[str] = frozenset(),
) -> Path:
    """Fuses the runs' lists; a query that some runs lack is fused from the others.

    Where the runs hold a document that is the query itself, it has no part in the fusion and stands
    above the list, for the worker to leave out.

    Args:
        settings: Those of "fuse".
        collection: The collection that every run was made on.
        cache: The cache's root folder.
        own: Queries out of whose lists the document of the same id is left.

    Returns:
        The Parquet file of the lists, which `RecordedSearcher` reads.

    Raises:
        UsageError: A run has no candidates, or another corpus.
        IncompleteRun: A run was not finished.
    """
    runs = [_opened(name) for name in settings.inputs]
    for run in runs:
        if read_plan(run).recipe.get("corpus_sha256") != collection.digest():
            raise UsageError(
                f"{run.root} was retrieved from another corpus than {collection.name}",
                "fuse runs of one collection",
            )

    def write(draft: Path) -> None:
        collected: dict[str, list[Sequence[str]]] = {}
        for run in runs:
            for found in run.candidates():
                collected.setdefault(found.query_id, []).append(found.doc_ids)
        lists = {
            query_id: _fused_beside(query_id if query_id in own else None, doc_ids, settings)
            for query_id, doc_ids in sorted(collected.items())
        }
        write_lists(lists, draft / "lists.parquet")

    identity = sha256_of_value(settings.identity() | ({"own": sorted(own)} if own else {}))
    return cached_folder(cache / "fused" / identity[:32], write) / "lists.parquet"


def _fused_beside(
    left_out: str | None, lists: Sequence[Sequence[str]], settings: RetrieverSettings
) -> tuple[list[str], list[float]]:
    if left_out is None or not any(left_out in doc_ids for doc_ids in lists):
        return fused(lists, settings.fusion, settings.depth)
    others = [[doc_id for doc_id in doc_ids if doc_id != left_out] for doc_ids in lists]
    doc_ids, scores = fused(others, settings.fusion, settings.depth)
    return [left_out, *doc_ids], [scores[0] if scores else 0.0, *scores]


def _opened(name: str) -> RunDirectory:
    run = RunDirectory(name)
    if not run.has_table("candidates"):
        raise UsageError(f"{name} has no candidates", "name folders that `rankgen retrieve` made")
    if not run.manifest.is_file():
        raise IncompleteRun(f"the run {name} is not complete", "repeat its command to finish it")
    return run
