"""The settings of one evaluation, frozen, and written into its report."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from rankgen.manifests.storage.run_path import RunPath
from rankgen.students.choices import Precision


class EvaluationSettings(BaseModel):
    """What is measured on what.

    Attributes:
        qrels: Judgements, TREC or BEIR form.
        out: The folder of the report.
        candidates: A folder that `rankgen retrieve` wrote; its order is a system, and students
            re-rank it.
        students: Folders or model ids of cross-encoders.
        rankings: Folders that `rankgen label` wrote; each order is a system.
        runs: Six-column TREC runs.
        measures: Names of ir_measures.
        queries: The population: `qrels` counts every judged query (trec_eval -c), `candidates`
            only the judged queries that the candidates hold.
        compare: Test every pair of systems, or each system against the first.
        depth: Candidates that a student re-ranks; those below keep the first stage's order.
        cost: Also time every student on queries of 100 passages.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.
        precision: `fp32`, `bf16` or `auto`.
        chunk_tokens: Tokens of one forward pass, padding included; None chooses by device.
        threads: CPU threads; None leaves it to torch.
        bootstrap_samples: Resamples of the queries for the 95 % intervals of the means.
        randomisation_samples: Sign patterns of the randomisation tests.
        seed: Of the bootstrap and the randomisation tests.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    qrels: Path
    out: Path
    candidates: RunPath | None = None
    students: tuple[str, ...] = ()
    rankings: tuple[RunPath, ...] = ()
    runs: tuple[Path, ...] = ()
    measures: tuple[str, ...] = Field(default=("nDCG@10",), min_length=1)
    queries: Literal["qrels", "candidates"] = "qrels"
    compare: Literal["all", "first"] = "all"
    depth: int | None = Field(default=None, ge=1)
    cost: bool = False
    device: str = "auto"
    precision: Precision = "auto"
    chunk_tokens: int | None = Field(default=None, ge=1)
    threads: int | None = Field(default=None, ge=1)
    bootstrap_samples: int = Field(default=2000, ge=100)
    randomisation_samples: int = Field(default=10_000, ge=100)
    seed: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        if self.candidates is None and (self.students or self.queries == "candidates"):
            raise ValueError("students re-rank candidates: add --candidates")
        if self.candidates is None and not (self.runs or self.rankings):
            raise ValueError("there is nothing to evaluate: add --run, --candidates or --rankings")
        return self
