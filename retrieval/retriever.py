"""The two steps that open a first stage: prepare once, open in any process."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from rankgen.manifests.records import Query
from rankgen.retrieval.cache import cache_root
from rankgen.retrieval.collections.collection import Collection
from rankgen.retrieval.runs.run_order import RunLosses
from rankgen.retrieval.searcher import Searcher
from rankgen.retrieval.settings import RetrieverSettings


class RetrieverHandle(BaseModel):
    """A prepared first stage: plain data that travels to worker processes.

    Attributes:
        settings: The settings it was prepared with.
        corpus_sha256: The digest of the documents; None where none is needed ("recorded").
        index: BM25's Lucene index, or ColBERT's PLAID index.
        checkpoint: ColBERT's encoder on this machine.
        lists: The cut lists of "recorded" and "fuse".
        losses: What the recorded run lacks.
        own: Queries out of whose lists the document of the same id is left; their lists are
            searched one deeper.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    settings: RetrieverSettings
    corpus_sha256: str | None = None
    index: Path | None = None
    checkpoint: Path | None = None
    lists: Path | None = None
    losses: RunLosses | None = None
    own: frozenset[str] = frozenset()


def check_first_stage(settings: RetrieverSettings) -> None:
    """Checks what a first stage needs of this machine, before any document is read.

    Raises:
        EnvironmentProblem: Java, Pyserini or the checkpoint is missing.
        UsageError: The checkpoint cannot be read.
    """
    if settings.name == "colbert":
        from rankgen.retrieval.colbert.checkpoint import find_checkpoint

        find_checkpoint(settings.checkpoint)
    elif settings.name == "bm25":
        from rankgen.retrieval.bm25.java import find_java

        find_java()


def prepare(
    settings: RetrieverSettings,
    collection: Collection,
    cache: Path | None = None,
    queries: Iterable[Query] | None = None,
    own: frozenset[str] = frozenset(),
) -> RetrieverHandle:
    """Does what is done once, before any worker starts: the index, or the lists of a run.

    Args:
        settings: The first stage.
        collection: What it searches.
        cache: The cache's root; None takes `cache_root()`.
        queries: The queries that will be asked; None means all of the collection's.
        own: Those of them that are documents themselves; see `find_own_documents`.

    Raises:
        UsageError: The collection, the checkpoint or the run cannot be read.
        EnvironmentProblem: Java, Pyserini or colbert-ai is missing, or indexing fails.
        IntegrityProblem: The index does not hold the collection.
    """
    root = (cache_root() if cache is None else cache).resolve()
    if settings.name == "colbert":
        from rankgen.retrieval.colbert.checkpoint import check_encoder, find_checkpoint
        from rankgen.retrieval.colbert.index import plaid_index

        checkpoint = find_checkpoint(settings.checkpoint)
        check_encoder(settings.checkpoint, checkpoint)
        return RetrieverHandle(
            settings=settings,
            corpus_sha256=collection.digest(),
            index=plaid_index(collection, checkpoint, root, settings.threads),
            checkpoint=checkpoint.folder,
            own=own,
        )
    if settings.name == "fuse":
        from rankgen.retrieval.runs.fuse import prepare_fusion

        lists = prepare_fusion(settings, collection, root, own)
        return RetrieverHandle(settings=settings, lists=lists, own=own)
    if settings.index is not None:
        from rankgen.retrieval.bm25.stored_index import check_index, find_index

        index = find_index(settings.index)
        if not collection.is_looked_up:
            check_index(index, collection)
        return _with_index(settings, collection, index, own)
    if settings.run is None:
        from rankgen.retrieval.bm25.index import lucene_index

        index = lucene_index(collection, root, settings.threads, settings.language)
        return _with_index(settings, collection, index, own)
    from rankgen.retrieval.runs.recorded import prepare_run

    asked = collection.queries() if queries is None else queries
    lists, losses = prepare_run(settings, collection, asked, root, own)
    return RetrieverHandle(settings=settings, lists=lists, losses=losses, own=own)


def _with_index(
    settings: RetrieverSettings, collection: Collection, index: Path, own: frozenset[str]
) -> RetrieverHandle:
    return RetrieverHandle(
        settings=settings, corpus_sha256=collection.digest(), index=index, own=own
    )


def open_searcher(handle: RetrieverHandle) -> Searcher:
    """Opens a prepared first stage in this process; call it once in each worker.

    Raises:
        EnvironmentProblem: Java, Pyserini or colbert-ai is missing.
        IntegrityProblem: The index cannot be opened.
    """
    settings = handle.settings
    if handle.index is not None and handle.checkpoint is not None:
        from rankgen.retrieval.colbert.searcher import ColbertSearcher

        return ColbertSearcher(handle.index, handle.checkpoint, settings.threads)
    if handle.index is not None:
        from rankgen.retrieval.bm25.searcher import Bm25Searcher

        return Bm25Searcher(
            handle.index, settings.k1, settings.b, settings.threads, settings.rm3, settings.language
        )
    if handle.lists is None:
        raise ValueError("the handle holds neither an index nor lists")
    from rankgen.retrieval.runs.recorded import RecordedSearcher

    return RecordedSearcher(handle.lists, settings.depth + bool(handle.own))
