"""The words a user chooses between in training; importing them loads nothing heavy."""

from __future__ import annotations

from typing import Literal

Reduction = Literal["per_query_mean", "batch_pairs", "sum"]
SampleMode = Literal["random", "spread"]
Schedule = Literal["constant", "linear"]
Precision = Literal["auto", "fp32", "bf16"]
