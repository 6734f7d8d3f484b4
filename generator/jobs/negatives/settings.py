"""Everything that `rankgen negatives` can be told."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, PositiveInt

from rankgen.generator.jobs.settings import JobSettings
from rankgen.manifests.options import SOURCE_METAVAR, Option
from rankgen.manifests.storage.run_path import RunPath
from rankgen.retrieval.collections.judgements import Judgements
from rankgen.retrieval.collections.own_documents import OwnDocumentOption


class NegativesSettings(JobSettings):
    """Hard negatives for judged queries: lists to train on with the LCE loss."""

    candidates: Annotated[RunPath, Option("Folder of a retrieve run.", metavar=SOURCE_METAVAR)]
    qrels: Judgements
    collection: Annotated[
        str | None,
        Option(
            "Where relevant passages are that the first stage did not return; without it they are "
            "left out.",
            metavar="FOLDER|irds:ID|hf:NAME",
        ),
    ] = None
    depth: Annotated[PositiveInt, Option("Draw negatives from the top N candidates.")] = 200
    count: Annotated[PositiveInt, Option("Most negatives per query.")] = 99
    grade: Annotated[PositiveInt, Option("Lowest grade of a relevant passage.")] = 1
    seed: Annotated[int, Field(ge=0), Option("Random seed.")] = 0
    own_document: OwnDocumentOption = "auto"
