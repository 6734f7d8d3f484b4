"""BM25 as a first stage, over an index that is built or one that exists."""

from __future__ import annotations

from rankgen.retrieval.bm25.index import lucene_index
from rankgen.retrieval.bm25.java import find_java
from rankgen.retrieval.bm25.searcher import Bm25Searcher
from rankgen.retrieval.bm25.stored_index import check_index, digest_of_index, find_index
from rankgen.retrieval.first_stage import Prepared, RetrieverHandle, Wanted
from rankgen.retrieval.settings import Bm25Settings, RetrieverSettings


def check(settings: RetrieverSettings) -> None:
    """Checks that Java is there."""
    del settings
    find_java()


def identity(settings: RetrieverSettings) -> dict[str, object]:
    """Returns the parameters of BM25, and the digest of an index that is named."""
    values: dict[str, object] = {"name": "bm25", "depth": settings.depth}
    for name, field in Bm25Settings.model_fields.items():
        value = getattr(settings, name)
        # Runs of before there was a setting keep their fingerprints.
        if name in ("k1", "b") or value != field.default:
            values[name] = value
    if settings.index is not None:
        del values["index"]
        values["index_sha256"] = digest_of_index(find_index(settings.index))
    return values


def prepare(wanted: Wanted) -> Prepared:
    """Builds the Lucene index, or checks the one that is named."""
    settings, collection = wanted.settings, wanted.collection
    if settings.index is None:
        index = lucene_index(collection, wanted.cache, settings.threads, settings.language)
    else:
        index = find_index(settings.index)
        if not collection.is_looked_up:
            check_index(index, collection)
    handle = RetrieverHandle(settings=settings, index=index, own=wanted.own)
    return Prepared(handle, identity(settings), wanted.queries)


def open_searcher(handle: RetrieverHandle) -> Bm25Searcher:
    """Opens the index."""
    if handle.index is None:
        raise ValueError("the handle has no index")
    return Bm25Searcher(handle.index, handle.settings)
