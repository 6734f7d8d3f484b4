"""ColBERT as a first stage."""

from __future__ import annotations

from rankgen.retrieval.colbert.checkpoint import check_encoder, find_checkpoint
from rankgen.retrieval.colbert.index import RESIDUAL_BITS, plaid_index
from rankgen.retrieval.colbert.searcher import ColbertSearcher
from rankgen.retrieval.first_stage import Prepared, RetrieverHandle, Wanted
from rankgen.retrieval.settings import RetrieverSettings


def check(settings: RetrieverSettings) -> None:
    """Checks that the checkpoint is there and is ColBERT's."""
    find_checkpoint(settings.checkpoint)


def identity(settings: RetrieverSettings) -> dict[str, object]:
    """Returns the depth, the digest of the checkpoint and the bits of a residual."""
    digest = find_checkpoint(settings.checkpoint).sha256
    values = {"checkpoint_sha256": digest, "bits": RESIDUAL_BITS}
    return {"name": "colbert", "depth": settings.depth, **values}


def prepare(wanted: Wanted) -> Prepared:
    """Builds the PLAID index."""
    settings = wanted.settings
    checkpoint = find_checkpoint(settings.checkpoint)
    check_encoder(settings.checkpoint, checkpoint)
    handle = RetrieverHandle(
        settings=settings,
        index=plaid_index(wanted.collection, checkpoint, wanted.cache, settings.threads),
        checkpoint=checkpoint.folder,
        own=wanted.own,
    )
    return Prepared(handle, identity(settings), wanted.queries)


def open_searcher(handle: RetrieverHandle) -> ColbertSearcher:
    """Opens the index with its encoder."""
    if handle.index is None or handle.checkpoint is None:
        raise ValueError("the handle has no index or no checkpoint")
    return ColbertSearcher(handle.index, handle.checkpoint, handle.settings.threads)
