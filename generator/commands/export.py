"""`rankgen export`: a run in, one file in a public form out."""

from __future__ import annotations

from rankgen.generator.commands.options import Printing
from rankgen.generator.commands.reporting import say
from rankgen.generator.jobs.export.settings import ExportSettings
from rankgen.manifests.counted import counted


def export(settings: ExportSettings, printing: Printing) -> None:
    """Exports a run and says what was written, changed and left out."""
    from rankgen.generator.jobs.export.job import export as run

    done = run(settings)
    text = (
        f"{counted(done.lists, 'list')} of {counted(done.documents, 'document')} as "
        f"{counted(done.rows, 'row')} of {settings.form} -> {done.out}"
    )
    if done.counts:
        told = (f"{name.replace('_', ' ')} {count:,}" for name, count in done.counts.items())
        text += "\n" + ", ".join(told)
    if done.quarantined:
        text += (
            f"\nnote: not in the file, because they failed: {done.quarantined:,} of the run's "
            f"queries; rankgen status {settings.run} names them"
        )
    if done.queries_left:
        text += f"\nnote: not done yet: {done.queries_left:,} of the run's queries"
    values = {
        "out": str(done.out),
        "form": settings.form,
        "lists": done.lists,
        "documents": done.documents,
        "rows": done.rows,
        "counts": dict(done.counts),
        "quarantined": done.quarantined,
        "queries_left": done.queries_left,
    }
    say(text, values, printing)
