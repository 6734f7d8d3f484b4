"""Losses over lists: pure functions of (scores, targets), in at least 32-bit precision.

Every loss gives one sum and one count a query (`terms`), and a reduction turns them into weights
that depend on the targets alone. That makes gradient accumulation exact for any split of a step.
To add a loss: one file with a class that has `name`, `weighs_pairs` and `terms`, and one line in
`LOSSES` of `registry`. `combination` reads `ranknet:1,lce:0.5`.
"""

from __future__ import annotations

from rankgen.students.losses.combination import LossPart, parse_loss
from rankgen.students.losses.registry import LOSSES, make_loss
from rankgen.students.losses.terms import ListLoss, Targets, Terms

__all__ = ["LOSSES", "ListLoss", "LossPart", "Targets", "Terms", "make_loss", "parse_loss"]
