"""Losses over lists: pure functions of (scores, ranks, mask), in at least 32-bit precision.

Every loss gives one sum and one count a query (`terms`), and a reduction turns them into weights
that depend on the ranks alone. That makes gradient accumulation exact for any split of a step.
To add a loss: one file with a class that has `name` and `terms`, and one line in `LOSSES` below.
"""

from __future__ import annotations

from rankgen.manifests.errors import UsageError, did_you_mean
from rankgen.students.losses.adr_mse import AdrMse
from rankgen.students.losses.lce import Lce
from rankgen.students.losses.ranknet import RankNet
from rankgen.students.losses.terms import ListLoss

LOSSES: dict[str, type[ListLoss]] = {"ranknet": RankNet, "lce": Lce, "adr-mse": AdrMse}


def make_loss(name: str) -> ListLoss:
    """Returns the loss of that name with its published constants.

    Args:
        name: One of `LOSSES`; "_" and "-" mean the same.

    Raises:
        UsageError: There is no such loss.
    """
    wanted = name.lower().replace("_", "-")
    if wanted not in LOSSES:
        raise UsageError(f"there is no loss '{name}'", did_you_mean(wanted, LOSSES))
    return LOSSES[wanted]()
