"""The words a user chooses between in training; importing them loads nothing heavy."""

from __future__ import annotations

from typing import Literal

# The backbone of arXiv 2405.07920's students, on the command line and in recipes alike.
DEFAULT_BACKBONE = "google/electra-base-discriminator"
Reduction = Literal["per_query_mean", "batch_pairs", "sum"]
SampleMode = Literal["random", "spread", "best"]
Schedule = Literal["constant", "linear"]
ResolvedPrecision = Literal["fp32", "bf16"]
Precision = Literal["auto", "fp32", "bf16"]
# What ends a training.
Ending = Literal["max steps", "time budget", "patience"]
# Pairs that count: those a window showed, also those that follow from them, or all.
Evidence = Literal["seen", "implied", "all"]
EVIDENCE_WEIGHTS: dict[Evidence, tuple[float, float, float]] = {
    "seen": (1.0, 0.0, 0.0),
    "implied": (1.0, 1.0, 0.0),
    "all": (1.0, 1.0, 1.0),
}
