"""Values that training options accept; importing this module loads nothing heavy."""

from __future__ import annotations

from typing import Literal

# The backbone of the students in arXiv 2405.07920; the default on the command line and in recipes.
DEFAULT_BACKBONE = "google/electra-base-discriminator"
# Backbones by a short word. vLLM and other servers have the architecture of the last two.
NAMED_BACKBONES = {
    "electra": DEFAULT_BACKBONE,
    "modernbert": "answerdotai/ModernBERT-base",
    "ettin": "jhu-clsp/ettin-encoder-68m",
}
Reduction = Literal["per_query_mean", "batch_pairs", "sum"]
SampleMode = Literal["random", "spread", "best"]
Schedule = Literal["constant", "linear"]
ResolvedPrecision = Literal["fp32", "bf16"]
Precision = Literal["auto", "fp32", "bf16"]
# Why a training ended.
Ending = Literal["max steps", "time budget", "patience"]
# What a loss learns that can learn either: the teacher's scores, or its order.
TargetKind = Literal["auto", "scores", "order"]
# Pairs that count: those that a window showed, also those implied by them, or all.
Evidence = Literal["seen", "implied", "all"]
EVIDENCE_WEIGHTS: dict[Evidence, tuple[float, float, float]] = {
    "seen": (1.0, 0.0, 0.0),
    "implied": (1.0, 1.0, 0.0),
    "all": (1.0, 1.0, 1.0),
}
