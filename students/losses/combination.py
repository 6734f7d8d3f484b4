"""Parses combinations of losses as given on the command line: `ranknet:1,lce:0.5`."""

from __future__ import annotations

import math
import re
from typing import NamedTuple

from rankgen.manifests.errors import UsageError
from rankgen.students.losses.registry import make_loss
from rankgen.students.losses.terms import ListLoss

PART = re.compile(r"(?P<name>[\w-]+)(?:\((?P<constants>[^()]*)\))?(?::(?P<weight>[^:]+))?")
SHAPE = "write for example ranknet, ranknet:1,lce:0.5 or listnet(temperature=0.5)"


class LossPart(NamedTuple):
    """One loss of a combination; each is reduced on its own and then weighted.

    Attributes:
        weight: Weight, greater than 0.
        loss: The loss.
    """

    weight: float
    loss: ListLoss


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
