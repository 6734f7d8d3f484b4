"""The losses by name, and their constants."""

from __future__ import annotations

import inspect
from collections.abc import Mapping

from rankgen.manifests.errors import UsageError, did_you_mean
from rankgen.students.losses.adr_mse import AdrMse
from rankgen.students.losses.lambda_loss import LambdaLoss
from rankgen.students.losses.lce import Lce
from rankgen.students.losses.listmle import ListMle, PositionListMle
from rankgen.students.losses.listnet import KullbackLeibler, ListNet, SoftmaxCrossEntropy
from rankgen.students.losses.margin_mse import MarginMse
from rankgen.students.losses.ranknet import RankNet
from rankgen.students.losses.terms import ListLoss

LOSSES: dict[str, type[ListLoss]] = {
    loss.name: loss
    for loss in (
        RankNet,
        Lce,
        AdrMse,
        SoftmaxCrossEntropy,
        ListNet,
        ListMle,
        PositionListMle,
        LambdaLoss,
        MarginMse,
        KullbackLeibler,
    )
}


def make_loss(name: str, constants: Mapping[str, float] | None = None) -> ListLoss:
    """Returns the loss of that name.

    Args:
        name: One of `LOSSES`; "_" and "-" mean the same.
        constants: Constants of the loss, such as alpha; the defaults are the published values.

    Raises:
        UsageError: The loss or a constant is unknown, or a constant has an invalid value.
    """
    wanted = name.lower().replace("_", "-")
    if wanted not in LOSSES:
        raise UsageError(f"there is no loss '{name}'", did_you_mean(wanted, LOSSES))
    given = dict(constants or {})
    known = list(inspect.signature(LOSSES[wanted]).parameters)
    for constant in given:
        if constant not in known:
            hint = did_you_mean(constant, known) if known else f"write '{wanted}' alone"
            raise UsageError(f"the loss '{wanted}' has no constant '{constant}'", hint)
    try:
        return LOSSES[wanted](**given)
    except ValueError as error:
        raise UsageError(f"the loss '{wanted}': {error}", "choose another value") from None
