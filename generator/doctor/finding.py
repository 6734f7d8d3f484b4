"""One line of the doctor's report."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from rankgen.manifests.errors import EnvironmentProblem

Status = Literal["ok", "warn", "fail", "not needed"]


@dataclass(frozen=True)
class Finding:
    """What one look at the machine found.

    Attributes:
        name: What was looked at.
        status: "fail" stops rankgen, or a part of it that this machine is there for; "warn" makes
            it slow or stops an optional part; "not needed" does not concern this machine.
        value: What was found, in words that follow the name.
        remedy: What to type or change; empty when nothing is amiss.
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
