"""Which first stage and how it is set: a frozen model and its reader."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from rankgen.manifests.errors import UsageError, did_you_mean
from rankgen.manifests.storage.digest import sha256_of_file
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


class RetrieverSettings(BaseModel):
    """One first stage with all its settings.

    Attributes:
        name: Which one.
        depth: Candidates a query, at least 1.
        k1: BM25's term frequency saturation; Pyserini's default.
        b: BM25's length normalisation, 0 to 1; Pyserini's default.
        rm3: Whether BM25's queries are expanded with RM3, as Pyserini sets it.
        language: The texts' language, for BM25's analyzer.
        threads: Threads for indexing and searching; no result depends on it.
        index: An existing Lucene index for BM25: a folder or a prebuilt one's name; None builds it.
        checkpoint: The encoder of "colbert": a folder or a name on the Hugging Face Hub.
        run: The TREC run of "recorded".
        order: How "recorded" orders the run; see `rankgen.retrieval.runs.run_order.ordered`.
        missing: Whether "recorded" keeps or drops documents that the collection lacks.
        inputs: The retrieve runs that "fuse" makes one list of: folders, or `s3://bucket/folder`.
        fusion: How; see `rankgen.retrieval.runs.fusion.fused`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Literal["bm25", "colbert", "fuse", "recorded"] = "bm25"
    depth: int = Field(default=100, ge=1)
    k1: float = Field(default=0.9, ge=0, allow_inf_nan=False)
    b: float = Field(default=0.4, ge=0, le=1)
    rm3: bool = False
    language: Language = "en"
    threads: int = Field(default=1, ge=1)
    index: str | None = None
    checkpoint: str = COLBERT_V2
    run: Path | None = None
    order: Order = "score"
    missing: Literal["keep", "drop"] = "keep"
    inputs: tuple[str, ...] = ()
    fusion: Fusion = "rrf"

    @model_validator(mode="after")
    def _run_belongs_to_recorded(self) -> Self:
        if (self.run is not None) != (self.name == "recorded"):
            raise ValueError(f"'recorded' needs a run, and '{self.name}' takes none")
        if (len(self.inputs) > 1) != (self.name == "fuse"):
            raise ValueError(f"'fuse' needs at least two runs, and '{self.name}' takes none")
        if self.index is not None and self.name != "bm25":
            raise ValueError(f"an index is searched by 'bm25', not by '{self.name}'")
        return self

    def identity(self) -> dict[str, object]:
        """Returns the settings that a result depends on; files stand as their digests."""
        common: dict[str, object] = {"name": self.name, "depth": self.depth}
        if self.name == "colbert":
            from rankgen.retrieval.colbert.checkpoint import find_checkpoint
            from rankgen.retrieval.colbert.index import RESIDUAL_BITS

            checkpoint = find_checkpoint(self.checkpoint)
            return common | {"checkpoint_sha256": checkpoint.sha256, "bits": RESIDUAL_BITS}
        if self.name == "fuse":
            from rankgen.retrieval.runs.fuse import digest_of_inputs

            return common | {"fusion": self.fusion, "inputs_sha256": digest_of_inputs(self.inputs)}
        if self.run is None:
            # Runs of before there were these settings keep their fingerprints.
            added: dict[str, object] = {"rm3": True} if self.rm3 else {}
            added |= {"language": self.language} if self.language != "en" else {}
            if self.index is not None:
                from rankgen.retrieval.bm25.stored_index import digest_of_index, find_index

                added |= {"index_sha256": digest_of_index(find_index(self.index))}
            return common | {"k1": self.k1, "b": self.b} | added
        digest = sha256_of_file(existing_run(self.run))
        return common | {"run_sha256": digest, "order": self.order, "missing": self.missing}


def parse_retriever(
    spec: str,
    *,
    depth: int = 100,
    k1: float = 0.9,
    b: float = 0.4,
    rm3: bool = False,
    language: str = "en",
    threads: int = 1,
    index: str | None = None,
    checkpoint: str = COLBERT_V2,
    order: str = "score",
    missing: str = "keep",
    fusion: str = "rrf",
) -> RetrieverSettings:
    """Returns the settings of `bm25`, `colbert`, `recorded:RUN` or `fuse:RUN,RUN`.

    Raises:
        UsageError: The name is unknown, the run file is missing or a value is out of range.
    """
    run: Path | None = None
    inputs: tuple[str, ...] = ()
    name = spec
    if spec.startswith(RECORDED_PREFIX):
        name, run = "recorded", existing_run(Path(spec.removeprefix(RECORDED_PREFIX)))
    elif spec.startswith(FUSE_PREFIX) or spec == "fuse":
        name, inputs = "fuse", tuple(spec.removeprefix(FUSE_PREFIX).split(","))
        if len(inputs) < 2:
            raise UsageError("the retriever 'fuse' needs at least two runs", "type fuse:RUN,RUN")
    elif spec == "recorded":
        raise UsageError("the retriever 'recorded' needs a run", "type recorded:FILE")
    elif spec not in RETRIEVERS:
        raise UsageError(f"there is no retriever '{spec}'", did_you_mean(spec, RETRIEVERS))
    if index is not None and Path(index).is_dir():
        index = str(Path(index).resolve())
    if Path(checkpoint).is_dir():
        checkpoint = str(Path(checkpoint).resolve())
    values = {"depth": depth, "k1": k1, "b": b, "threads": threads, "order": order}
    values |= {
        "rm3": rm3,
        "language": language,
        "name": name,
        "run": run,
        "missing": missing,
        "checkpoint": checkpoint,
        "index": index,
    }
    try:
        return RetrieverSettings.model_validate({**values, "inputs": inputs, "fusion": fusion})
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "retriever"
        raise UsageError(
            f"the retriever's {field} cannot be {first['input']!r}: {first['msg']}",
            f"change {field}",
        ) from None


def existing_run(run: Path) -> Path:
    """Returns the run's absolute path.

    Raises:
        UsageError: There is no such file.
    """
    if not run.is_file():
        raise UsageError(f"there is no run file {run}", "type recorded:FILE with a TREC run")
    return run.resolve()
