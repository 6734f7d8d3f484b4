"""How far every two runs of a page agree, as `rankgen compare` says it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

from rankgen.manifests.errors import UsageError
from rankgen.manifests.progress import progress
from rankgen.students.agreement.compare import Agreement, Orders, agreement_of
from rankgen.students.agreement.settings import CompareSettings
from rankgen.students.pages.opened_run import OpenedRun


class Agreeing(NamedTuple):
    """The agreement of every two runs that have queries in common; the others are named."""

    settings: CompareSettings
    pairs: tuple[Agreement, ...]
    apart: tuple[str, ...]


def agreeing(runs: Sequence[OpenedRun]) -> Agreeing | None:
    """Returns the agreement of runs; None for a single one.

    Raises:
        IntegrityProblem: A shard is damaged.
    """
    if len(runs) < 2:
        return None
    settings = CompareSettings(runs=tuple(run.directory.root for run in runs))
    orders = [Orders(run.directory) for run in runs]
    pairs, apart = list[Agreement](), list[str]()
    numbers = list(itertools.combinations(range(len(runs)), 2))
    with progress("compare runs", len(numbers)) as shown:
        for i, j in numbers:
            names = runs[i].name, runs[j].name
            try:
                pairs.append(agreement_of(settings, names, orders[i], orders[j]))
            except UsageError as error:
                apart.append(error.message)
            shown.advance()
    return Agreeing(settings, tuple(pairs), tuple(apart))
