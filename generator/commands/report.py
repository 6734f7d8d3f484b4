"""`rankgen report`: a page that shows what a teacher did."""

from __future__ import annotations

from rankgen.generator.commands.options import Printing
from rankgen.generator.commands.reporting import say
from rankgen.manifests.counted import counted
from rankgen.students.pages.settings import ReportSettings


def report(settings: ReportSettings, printing: Printing) -> None:
    """Writes the page and prints where it is."""
    from rankgen.students.pages.write import report as run

    summary = run(settings)
    size = f"{summary.bytes / 1e6:,.1f} MB"
    beside = f" and {counted(summary.files, 'file')} beside it" if summary.files else ""
    text = f"{counted(summary.queries, 'query')}, {size}{beside} -> {summary.page}"
    text += "".join(f"\nnote: {notice}" for notice in summary.notices)
    say(text, summary.model_dump(mode="json"), printing)
