"""One line of the doctor's report."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from rankgen.manifests.errors import EnvironmentProblem

Status = Literal["ok", "warn", "fail", "not needed"]


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    Attributes:
        name: The checked object.
        status: "fail": rankgen, or a part that this machine is meant for, will not work; "warn": it
            is slow, or an optional part does not work; "not needed": irrelevant on this machine.
        value: The result, in words that follow the name.
        remedy: What to type or change; empty if all is well.
    """

    name: str
    status: Status
    value: str
    remedy: str = ""


def refuse_failed(findings: Iterable[Finding]) -> None:
    """Raises the first failure as an error.

    Raises:
        EnvironmentProblem: One of them failed.
    """
    for finding in findings:
        if finding.status == "fail":
            raise EnvironmentProblem(f"{finding.name}: {finding.value}", finding.remedy)
