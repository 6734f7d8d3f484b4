"""`rankgen doctor`: what this machine has, what it lacks, and what to do about it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from rankgen.generator.commands.options import Printing
from rankgen.generator.commands.reporting import say
from rankgen.generator.jobs.settings import ClusterSettings
from rankgen.manifests.options import RUN_METAVAR, Option

if TYPE_CHECKING:
    from rankgen.generator.doctor.finding import Finding

ENVIRONMENT = 3
_PACKAGE = "package "
_COLOURS = {"ok": "green", "warn": "yellow", "fail": "bold red", "not needed": "dim"}


class DoctorSettings(ClusterSettings):
    """What is looked at."""

    out: Annotated[
        str,
        Option(
            "Folder or store that a run would be written to; it is tried, and left as it was.",
            metavar=RUN_METAVAR,
        ),
    ] = "."
    deep: Annotated[bool, Option("Import vLLM too, which takes half a minute.")] = False


def doctor(settings: DoctorSettings, printing: Printing) -> None:
    """Prints a line for each finding, and what to type where something is missing."""
    from rankgen.generator.doctor.checks import Examination, examine

    findings = examine(Examination(settings.out, settings.ray_address, settings.deep))
    failed = sum(finding.status == "fail" for finding in findings)
    if not printing.as_json and sys.stdout.isatty():
        _print_table(findings)
    else:
        rows = [vars(finding) for finding in findings]
        text = "\n".join(_plain(_shown(findings)))
        say(text, {"ok": not failed, "checks": rows}, printing)
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
