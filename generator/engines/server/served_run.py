"""What all workers of a run share about its server."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rankgen.generator.engines.cost.purse import CostCap


@dataclass(frozen=True)
class ServedRun:
    """The shared parts; None for a teacher without a run.

    Attributes:
        answered_model: The record of the model that the answers name; see `answered_model`.
        batches: The folder of the batches that the run has asked for; see `batch_records`.
        cost: The cap on what the run may cost; None without a cap.
    """

    answered_model: Path | None = None
    batches: Path | None = None
    cost: CostCap | None = None
