"""Losses over lists: pure functions of (scores, targets), in at least 32-bit precision.

Every loss returns one sum and one count per query (`terms`), and a reduction turns the counts into
weights that depend on the targets alone, so that gradient accumulation is exact for any split of a
step. To add a loss, write a class with the attributes of `ListLoss`, and add a line to `LOSSES` in
`registry`, which also parses combinations such as `ranknet:1,lce:0.5`.
"""

from __future__ import annotations

from rankgen.students.losses.registry import LOSSES, LossPart, make_loss, parse_loss
from rankgen.students.losses.terms import ListLoss, Targets, Terms

__all__ = ["LOSSES", "ListLoss", "LossPart", "Targets", "Terms", "make_loss", "parse_loss"]
