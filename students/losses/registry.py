"""The losses by name, and combinations of them such as `ranknet:1,lce:0.5`."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Mapping
from typing import NamedTuple

from rankgen.manifests.errors import UsageError, did_you_mean
from rankgen.students.losses.adr_mse import AdrMse
from rankgen.students.losses.lambda_loss import LambdaLoss
from rankgen.students.losses.listmle import ListMle, PositionListMle
from rankgen.students.losses.listnet import KullbackLeibler, Lce, ListNet, SoftmaxCrossEntropy
from rankgen.students.losses.mse import Mse
from rankgen.students.losses.pairs import MarginMse, RankNet
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
        Mse,
        MarginMse,
        KullbackLeibler,
    )
}

PART = re.compile(r"(?P<name>[\w-]+)(?:\((?P<constants>[^()]*)\))?(?::(?P<weight>[^:]+))?")
SHAPE = "write for example ranknet, ranknet:1,lce:0.5 or listnet(temperature=0.5)"


class LossPart(NamedTuple):
    """One loss of a combination, reduced on its own and then multiplied by a weight above 0."""

    weight: float
    loss: ListLoss


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


def parse_loss(text: str) -> tuple[LossPart, ...]:
    """Parses `name`, `name:weight` or `name(constant=value):weight`, separated by commas.

    Raises:
        UsageError: A part is malformed or names an unknown loss, or a loss is named twice.
    """
    # A comma between brackets separates constants, not losses.
    parts = tuple(_part(part.strip(), text) for part in re.split(r",(?![^(]*\))", text))
    names = [part.loss.name for part in parts]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"'{text}' names the loss '{name}' twice", "add up the weights")
    return parts


def _part(part: str, text: str) -> LossPart:
    match = PART.fullmatch(part)
    if match is None:
        raise UsageError(f"'{part}' in '{text}' is not a loss", SHAPE)
    constants: dict[str, float] = {}
    for assignment in filter(None, (match["constants"] or "").split(",")):
        name, _, value = assignment.partition("=")
        constants[name.strip()] = _number(value, assignment.strip(), text)
    loss = make_loss(match["name"], constants)
    weight = 1.0 if match["weight"] is None else _number(match["weight"], part, text)
    if weight <= 0:
        raise UsageError(f"the weight in '{part}' is not greater than 0", SHAPE)
    return LossPart(weight, loss)


def _number(value: str, part: str, text: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise UsageError(f"the value of '{part}' in '{text}' is not a number", SHAPE)
    return number
