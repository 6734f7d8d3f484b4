"""The first stages by name, and the two steps of using one: prepare once, open in any process."""

from __future__ import annotations

from pathlib import Path

from rankgen.manifests.run.query_table import QueryTable
from rankgen.retrieval.bm25 import first_stage as bm25
from rankgen.retrieval.cache import cache_root
from rankgen.retrieval.colbert import first_stage as colbert
from rankgen.retrieval.collections.collection import Collection
from rankgen.retrieval.first_stage import FirstStage, Prepared, RetrieverHandle, Searcher, Wanted
from rankgen.retrieval.runs import fuse, recorded
from rankgen.retrieval.settings import RetrieverSettings

# None of them imports Pyserini or colbert-ai before it is asked for something.
FIRST_STAGES: dict[str, FirstStage] = {
    "bm25": bm25,
    "colbert": colbert,
    "fuse": fuse,
    "recorded": recorded,
}


def prepare(
    settings: RetrieverSettings,
    collection: Collection,
    cache: Path | None = None,
    queries: QueryTable | None = None,
    own: frozenset[str] = frozenset(),
) -> Prepared:
    """Does what is done once, before any worker starts: the index, or the lists of a run.

    The arguments are those of `Wanted`; the cache is `cache_root()` and the queries are all of the
    collection's where none are given.

    Raises:
        UsageError: The collection, the checkpoint or a run cannot be read.
        EnvironmentProblem: Java, Pyserini or colbert-ai is missing, or indexing fails.
        IntegrityProblem: The index does not hold the collection.
        IncompleteRun: A run to fuse is not finished.
    """
    root = (cache_root() if cache is None else cache).resolve()
    asked = QueryTable(collection.queries()) if queries is None else queries
    return FIRST_STAGES[settings.name].prepare(Wanted(settings, collection, asked, root, own))


def open_searcher(handle: RetrieverHandle) -> Searcher:
    """Opens a prepared first stage in this process; call it once in each worker.

    Raises:
        EnvironmentProblem: Java, Pyserini or colbert-ai is missing.
        IntegrityProblem: The index cannot be opened.
    """
    return FIRST_STAGES[handle.settings.name].open_searcher(handle)
