"""The options of `rankgen rerank` as the settings of a run."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from rankgen.manifests.storage.run_path import RunPath
from rankgen.students.choices import Precision
from rankgen.students.reranking.strict_order import TiePolicy


class RerankSettings(BaseModel):
    """Everything that `rankgen rerank` can be told.

    Attributes:
        student: A folder or a model id of a cross-encoder.
        candidates: The folder of a retrieve run, or of an earlier rerank run.
        out: The run's folder.
        depth: Candidates of a query that are scored; those below keep their order; None scores
            all.
        ties: Which of two equal scores comes first.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.
        precision: `fp32`, `bf16` or `auto`.
        chunk_tokens: Tokens of one forward pass, padding included; None chooses by device.
        threads: CPU threads of a worker; None leaves it to Ray and torch.
        shards: Number of shards; None takes about a hundred queries in each.
        workers: Ray actors; None takes one a GPU, or one a node.
        max_failed: Queries without an order that are tolerated.
        ray_address: A cluster, or None for this machine.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    student: str
    candidates: RunPath
    out: RunPath
    depth: int | None = Field(default=None, ge=1)
    ties: TiePolicy = "first-stage"
    device: str = "auto"
    precision: Precision = "auto"
    chunk_tokens: int | None = Field(default=None, ge=1)
    threads: int | None = Field(default=None, ge=1)
    shards: int | None = Field(default=None, ge=1)
    workers: int | None = Field(default=None, ge=1)
    max_failed: int = Field(default=0, ge=0)
    ray_address: str | None = None
