"""Which first stage and how it is set: a frozen model and its reader."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeFloat, PositiveInt, model_validator

from rankgen.manifests.errors import UsageError, did_you_mean
from rankgen.manifests.options import Option, Settings
from rankgen.manifests.validation import validated
from rankgen.retrieval.runs.fusion import Fusion
from rankgen.retrieval.runs.run_order import Order

RECORDED_PREFIX = "recorded:"
FUSE_PREFIX = "fuse:"
RETRIEVERS = ("bm25", "colbert", "fuse", "recorded")
# Those that Anserini has analyzers for; it would split any other language at white space.
# fmt: off
Language = Literal[
    "ar", "bn", "da", "de", "en", "es", "fa", "fi", "fr", "hi", "hu", "id", "it",
    "ja", "ko", "nl", "no", "pl", "pt", "ru", "sv", "te", "th", "tr", "uk", "zh",
]
# fmt: on
COLBERT_V2 = "colbert-ir/colbertv2.0"
RetrieverName = Annotated[
    str,
    Option(
        "bm25, colbert, recorded:RUN (a TREC run), or fuse:FOLDER,FOLDER (retrieve runs).",
        metavar="NAME",
    ),
]


class Bm25Settings(Settings):
    """What only BM25 can be told; defaults are Pyserini's."""

    panel = "BM25"
    k1: Annotated[
        NonNegativeFloat, Field(allow_inf_nan=False), Option("Term frequency saturation (k1).")
    ] = 0.9
    b: Annotated[float, Field(ge=0, le=1), Option("Length normalisation (b).")] = 0.4
    rm3: Annotated[bool, Option("Expand the queries with RM3.")] = False
    rm3_documents: Annotated[PositiveInt, Option("Documents that RM3 takes terms from.")] = 10
    language: Annotated[Language, Option("Language of the texts, for Lucene's analyzer.")] = "en"
    index: Annotated[
        str | None,
        Option(
            "An existing Lucene index: a folder, or the name of a prebuilt one such as "
            "msmarco-v1-passage. Document texts come from it unless --corpus is given.",
            "built from the collection",
            metavar="FOLDER|NAME",
        ),
    ] = None


class ColbertSettings(Settings):
    """What only ColBERT can be told."""

    panel = "ColBERT"
    checkpoint: Annotated[
        str, Option("Encoder: a folder, or a name on the Hugging Face Hub.", metavar="ID|FOLDER")
    ] = COLBERT_V2


class ListSettings(Settings):
    """What only lists that others made can be told."""

    panel = "Recorded and fused runs"
    order: Annotated[
        Order, Option("How a recorded run is ordered: score as trec_eval does, or rank.")
    ] = "score"
    missing: Annotated[
        Literal["keep", "drop"],
        Option("What becomes of recorded documents that the collection lacks."),
    ] = "keep"
    fusion: Annotated[
        Fusion, Option("How runs are fused: rrf by reciprocal ranks, union in turns.")
    ] = "rrf"


class FirstStageSettings(Bm25Settings, ColbertSettings, ListSettings):
    """What any first stage can be told; each has its own part of it."""

    depth: Annotated[PositiveInt, Option("Candidates per query.")] = 100
    threads: Annotated[PositiveInt, Option("Threads for indexing and searching.", "all CPUs")] = (
        Field(default_factory=lambda: os.cpu_count() or 1)
    )


class RetrieverSettings(FirstStageSettings):
    """One first stage with all its settings.

    Attributes:
        name: Which one.
        run: The TREC run of "recorded".
        inputs: The retrieve runs that "fuse" makes one list of: folders, or `s3://bucket/folder`.
    """

    name: Literal["bm25", "colbert", "fuse", "recorded"] = "bm25"
    run: Path | None = None
    inputs: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _run_belongs_to_recorded(self) -> Self:
        if (self.run is not None) != (self.name == "recorded"):
            raise ValueError(f"'recorded' needs a run, and '{self.name}' takes none")
        if (len(self.inputs) > 1) != (self.name == "fuse"):
            raise ValueError(f"'fuse' needs at least two runs, and '{self.name}' takes none")
        if self.index is not None and self.name != "bm25":
            raise ValueError(f"an index is searched by 'bm25', not by '{self.name}'")
        return self


def parse_retriever(spec: str, **settings: object) -> RetrieverSettings:
    """Returns the settings of `bm25`, `colbert`, `recorded:RUN` or `fuse:RUN,RUN`.

    Args:
        spec: As a user writes it.
        settings: Of `FirstStageSettings`.

    Raises:
        UsageError: The name is unknown, the run file is missing or a value is out of range.
    """
    values: dict[str, object] = {"name": spec}
    if spec.startswith(RECORDED_PREFIX):
        run = existing_run(Path(spec.removeprefix(RECORDED_PREFIX)))
        values = {"name": "recorded", "run": run}
    elif spec.startswith(FUSE_PREFIX) or spec == "fuse":
        inputs = tuple(spec.removeprefix(FUSE_PREFIX).split(","))
        if len(inputs) < 2:
            raise UsageError("the retriever 'fuse' needs at least two runs", "type fuse:RUN,RUN")
        values = {"name": "fuse", "inputs": inputs}
    elif spec == "recorded":
        raise UsageError("the retriever 'recorded' needs a run", "type recorded:FILE")
    elif spec not in RETRIEVERS:
        raise UsageError(f"there is no retriever '{spec}'", did_you_mean(spec, RETRIEVERS))
    for name in ("index", "checkpoint"):
        folder = settings.get(name)
        if isinstance(folder, str) and Path(folder).is_dir():
            settings[name] = str(Path(folder).resolve())
    return validated(RetrieverSettings, {**settings, **values}, f"retriever {values['name']}")


def existing_run(run: Path) -> Path:
    """Returns the run's absolute path.

    Raises:
        UsageError: There is no such file.
    """
    if not run.is_file():
        raise UsageError(f"there is no run file {run}", "type recorded:FILE with a TREC run")
    return run.resolve()
