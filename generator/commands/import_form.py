"""`rankgen import`: rankings that others published in, a run out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rankgen.generator.commands.options import Printing
from rankgen.generator.commands.reporting import say
from rankgen.generator.jobs.imports.settings import ImportSettings
from rankgen.manifests.counted import counted

if TYPE_CHECKING:
    from rankgen.generator.jobs.imports.job import ImportSummary


def import_form(settings: ImportSettings, printing: Printing) -> None:
    """Imports rankings, and says what was found and what was lost."""
    from rankgen.generator.jobs.imports.job import import_rankings

    done = import_rankings(settings)
    values = {
        "out": str(settings.out),
        "form": done.form,
        "shape": done.shape,
        "source": done.source,
        "queries": done.queries,
        "shards": done.shards,
        **done.counts,
        "losses": done.losses.model_dump(),
        "own_documents_kept": done.own_documents,
        "own_ids_kept": done.suspected,
        "texts": done.has_texts,
        "scores": None if done.scores is None else done.scores.model_dump(),
    }
    say("\n".join(_lines(settings, done)), values, printing)


def _lines(settings: ImportSettings, done: ImportSummary) -> list[str]:
    from rankgen.manifests.forms.accounting import told

    shape = "" if done.form == done.shape else f" (shape '{done.shape}')"
    lines = [
        f"{counted(done.queries, 'list')}, {counted(done.counts['documents'], 'document')} in "
        f"{counted(done.shards, 'shard')} ({done.resumed_shards} from before) -> {settings.out}",
        f"read as '{done.form}'{shape}: {told(done.losses)}",
    ]
    if done.scores is not None:
        lines.append(f"teacher scores: {done.scores.unit}; change this with --score-unit")
    lines += _own_document_lines(done)
    if not done.has_texts:
        lines.append(
            "the source has no texts: to train on it, import it into another folder with "
            "--collection"
        )
    return lines


def _own_document_lines(done: ImportSummary) -> list[str]:
    """Says how many lists hold the query itself, or what may be it."""
    lines = []
    if done.own_documents:
        lines.append(
            f"in {done.own_documents:,} of {counted(done.queries, 'list')} the query itself is a "
            "document (same id and text); leave it out with --own-document auto"
        )
    if done.suspected:
        lines.append(
            f"in {done.suspected:,} of {counted(done.queries, 'list')} a document has the query's "
            "own id and may be the query itself, as in ArguAna; leave it out with --own-document "
            "drop"
        )
    return lines
