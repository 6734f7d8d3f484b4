"""The settings of `rankgen ship`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from rankgen.manifests.options import SOURCE_METAVAR, Option, Settings
from rankgen.manifests.storage.run_path import RunPath

Format = Literal["onnx", "onnx-int8", "openvino"]
WeightBits = Literal["auto", "7", "8"]


class QualitySettings(Settings):
    """What the shipped model is measured on, and when it is refused."""

    panel = "Quality"
    candidates: Annotated[
        RunPath | None,
        Option(
            "A retrieve run: student and shipped model re-rank its lists, and are compared.",
            metavar=SOURCE_METAVAR,
        ),
    ] = None
    qrels: Annotated[
        Path | None,
        Option(
            "Judgements of its queries: a file in TREC or BEIR form, or irds:ID.",
            metavar="FILE|irds:ID",
        ),
    ] = None
    rankings: Annotated[
        RunPath | None,
        Option(
            "A label run that the student was not trained on: compare by the teacher's ten best "
            "instead of by judgements.",
            metavar=SOURCE_METAVAR,
        ),
    ] = None
    max_queries: Annotated[
        PositiveInt | None, Option("Queries to compare on, the first by id.", "all")
    ] = None
    depth: Annotated[PositiveInt, Option("Candidates to re-rank per query.")] = 100
    significance: Annotated[
        float,
        Field(gt=0, lt=1),
        Option("Refuse a lower nDCG@10 whose p value (randomisation test) is below this."),
    ] = 0.05
    accept_loss: Annotated[
        bool, Option("Ship despite a significant loss, or without anything to compare on.")
    ] = False
    relevant_from: Annotated[
        PositiveInt, Option("Grade from which a judged passage counts as relevant in calibration.")
    ] = 1


class ShipSettings(QualitySettings):
    """Everything that `rankgen ship` can be told."""

    student: Annotated[str, Option("A student.", metavar="FOLDER|ID", is_argument=True)]
    out: Annotated[Path, Option("New folder of the shipped model.", metavar="FOLDER")]
    format: Annotated[
        Format,
        Option(
            "onnx: the same scores in 32 bits; onnx-int8: smaller and faster, rounded; openvino: "
            "the same scores in 32 bits, for OpenVINO."
        ),
    ] = "onnx"
    weight_bits: Annotated[
        WeightBits,
        Option(
            "Bits of int8 weights: 8 needs a CPU whose products do not overflow, 7 is right on "
            "every CPU; auto tries this one."
        ),
    ] = "auto"
    threads: Annotated[PositiveInt | None, Option("CPU threads.", "all")] = None
    dry_run: Annotated[bool, Option("Only say what would be written and compared.")] = False

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        if (self.candidates is None) != (self.qrels is None):
            raise ValueError("--candidates and --qrels belong together: add the other one")
        if self.candidates is not None and self.rankings is not None:
            raise ValueError("--rankings takes the place of --candidates: give one of them")
        return self

    @property
    def has_validation(self) -> bool:
        """Whether there is something to compare student and shipped model on."""
        return self.candidates is not None or self.rankings is not None
