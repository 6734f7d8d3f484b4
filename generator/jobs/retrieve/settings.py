"""Everything that `rankgen retrieve` can be told."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import PositiveInt

from rankgen.generator.jobs.settings import JobSettings
from rankgen.manifests.options import Option
from rankgen.retrieval.collections.own_documents import OwnDocumentOption
from rankgen.retrieval.settings import (
    FirstStageSettings,
    RetrieverName,
    RetrieverSettings,
    parse_retriever,
)


class _RetrieveRun(JobSettings):
    """All but the first stage."""

    collection: Annotated[
        str,
        Option(
            "A folder (BEIR's layout, or corpus.* and queries.*), irds:ID for ir_datasets, or "
            "hf:NAME for the Hugging Face Hub.",
            metavar="FOLDER|irds:ID|hf:NAME",
        ),
    ] = ""
    corpus: Annotated[
        Path | None, Option("Documents (JSONL, TSV or Parquet) instead of the collection's own.")
    ] = None
    queries: Annotated[
        Path | None, Option("Queries (JSONL, TSV or Parquet) instead of the collection's own.")
    ] = None
    split: Annotated[
        str | None, Option("Only the queries that the folder's qrels/SPLIT.tsv judges.")
    ] = None
    sample: Annotated[
        PositiveInt | None, Option("Take a random sample of this many queries.", "all")
    ] = None
    seed: Annotated[int, Option("Random seed of the sample.")] = 0
    own_document: OwnDocumentOption = "auto"


class RetrieveSettings(_RetrieveRun):
    """A retrieve run with its first stage, as the job takes it."""

    retriever: RetrieverSettings = RetrieverSettings()


class RetrieveOptions(_RetrieveRun, FirstStageSettings):
    """A retrieve run as users write it: everything under one name each."""

    retriever: RetrieverName = "bm25"

    def settings(self) -> RetrieveSettings:
        """Returns the settings of the job.

        Raises:
            UsageError: There is no such retriever, or it cannot have one of the settings.
        """
        stage = self.part(FirstStageSettings).model_dump()
        return self.part(RetrieveSettings, retriever=parse_retriever(self.retriever, **stage))
