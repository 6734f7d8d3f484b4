"""`rankgen import`: rankings that others published in, a run out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rankgen.generator.commands.options import Printing
from rankgen.generator.commands.reporting import say
from rankgen.generator.jobs.imports.settings import ImportSettings

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
        "texts": done.has_texts,
        "scores": None if done.scores is None else done.scores.model_dump(),
    }
    say("\n".join(_lines(settings, done)), values, printing)


def _lines(settings: ImportSettings, done: ImportSummary) -> list[str]:
    from rankgen.manifests.forms.accounting import told

    shape = "" if done.form == done.shape else f" (shape '{done.shape}')"
    lines = [
        f"{done.queries:,} lists, {done.counts['documents']:,} documents in {done.shards} shards "
        f"({done.resumed_shards} from before) -> {settings.out}",
        f"read as '{done.form}'{shape}: {told(done.losses)}",
    ]
    if done.scores is not None:
        lines.append(f"teacher scores: {done.scores.unit}; change this with --score-unit")
    if not done.has_texts:
        lines.append(
            "the source has no texts: to train on it, import it into another folder with "
            "--collection"
        )
    return lines
