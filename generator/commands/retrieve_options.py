"""The options of `rankgen retrieve` as one flat model, for the command line and for recipes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from rankgen.generator.jobs.retrieve import RetrieveSettings
from rankgen.manifests.storage.run_path import RunPath
from rankgen.manifests.validation import validated
from rankgen.retrieval.settings import COLBERT_V2, parse_retriever


class RetrieveOptions(BaseModel):
    """See `RetrieveSettings` and `RetrieverSettings` for what each means."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    out: RunPath
    collection: str = ""
    corpus: Path | None = None
    queries: Path | None = None
    split: str | None = None
    retriever: str = "bm25"
    index: str | None = None
    checkpoint: str = COLBERT_V2
    depth: int = 100
    k1: float = 0.9
    b: float = 0.4
    rm3: bool = False
    language: str = "en"
    order: str = "score"
    missing: str = "keep"
    fusion: str = "rrf"
    sample: int | None = None
    seed: int = 0
    own_document: str = "auto"
    threads: int | None = None
    shards: int | None = None
    max_failed: int = 0
    stall_seconds: float = 1800.0
    ray_address: str | None = None


def retrieve_settings(values: Mapping[str, object], where: str) -> RetrieveSettings:
    """Returns the settings that the options stand for.

    Raises:
        UsageError: An option is unknown or its value is wrong.
    """
    options = validated(RetrieveOptions, values, where)
    retriever = parse_retriever(
        options.retriever,
        depth=options.depth,
        k1=options.k1,
        b=options.b,
        rm3=options.rm3,
        language=options.language,
        index=options.index,
        checkpoint=options.checkpoint,
        order=options.order,
        missing=options.missing,
        fusion=options.fusion,
        threads=options.threads or os.cpu_count() or 1,
    )
    of_retriever = {"retriever", "depth", "k1", "b", "checkpoint", "order", "missing", "fusion"}
    rest = options.model_dump(exclude=of_retriever | {"rm3", "language", "index", "threads"})
    return validated(RetrieveSettings, {**rest, "retriever": retriever}, where)
