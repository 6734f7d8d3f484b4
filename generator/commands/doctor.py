"""`rankgen doctor`: what this machine has, what it lacks, and what to do about it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from rankgen.generator.commands.options import RUN_METAVAR, AsJson, RayAddress
from rankgen.generator.commands.reporting import reported, say

if TYPE_CHECKING:
    from rankgen.generator.doctor.finding import Finding

ENVIRONMENT = 3
_PACKAGE = "package "
_COLOURS = {"ok": "green", "warn": "yellow", "fail": "bold red", "not needed": "dim"}


@reported
def doctor(
    out: Annotated[
        str,
        typer.Option(
            help="Folder or store that a run would be written to; it is tried, and left as it was.",
            metavar=RUN_METAVAR,
        ),
    ] = ".",
    ray_address: RayAddress = None,
    deep: Annotated[
        bool, typer.Option("--deep", help="Import vLLM too, which takes half a minute.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check this machine: what rankgen needs, what is missing, and how to mend it."""
    from rankgen.generator.doctor.checks import Examination, examine

    findings = examine(Examination(out, ray_address, deep))
    failed = sum(finding.status == "fail" for finding in findings)
    if not as_json and sys.stdout.isatty():
        _print_table(findings)
    else:
        rows = [vars(finding) for finding in findings]
        say(
            "\n".join(_plain(_shown(findings))), {"ok": not failed, "checks": rows}, as_json=as_json
        )
    if failed:
        raise typer.Exit(ENVIRONMENT)


def _shown(findings: Sequence[Finding]) -> list[Finding]:
    """Returns the findings for people: packages that are as they should be take one line."""
    from rankgen.generator.doctor.finding import Finding

    quiet = [f for f in findings if f.name.startswith(_PACKAGE) and f.status == "ok"]
    shown: list[Finding] = []
    for finding in findings:
        if finding not in quiet:
            shown.append(finding)
        elif finding is quiet[0]:
            shown.append(Finding("packages", "ok", f"{len(quiet)} as expected (--json lists them)"))
    return shown


def _plain(findings: Sequence[Finding]) -> list[str]:
    width = max(len(finding.name) for finding in findings)
    lines = []
    for finding in findings:
        lines.append(f"{finding.status:10}  {finding.name:{width}}  {finding.value}")
        if finding.remedy:
            lines.append(f"{'':10}  {'':{width}}  -> {finding.remedy}")
    return lines


def _print_table(findings: Sequence[Finding]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, pad_edge=False)
    for finding in _shown(findings):
        value = Text(finding.value)
        if finding.remedy:
            value.append(f"\n-> {finding.remedy}", style="bold")
        table.add_row(Text(finding.status, style=_COLOURS[finding.status]), finding.name, value)
    Console().print(table)
