"""`rankgen python-docs`: a collection made from the interpreter's documentation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from rankgen.generator.commands.options import Printing
from rankgen.generator.commands.reporting import say
from rankgen.manifests.counted import counted
from rankgen.manifests.options import Option, Settings


class PythonDocsSettings(Settings):
    """See `write_python_docs`."""

    out: Annotated[Path, Option("Folder of the collection.", metavar="FOLDER")]
    passages: Annotated[int, Field(ge=100), Option("Most passages.")] = 3000
    seed: Annotated[int, Option("Random seed of what is taken.")] = 0


def python_docs(settings: PythonDocsSettings, printing: Printing) -> None:
    """Writes the collection; the same interpreter writes the same files each time."""
    from rankgen.retrieval.collections.python_docs import write_python_docs

    summary = write_python_docs(settings.out, passages=settings.passages, seed=settings.seed)
    queries = ", ".join(f"{count} {split}" for split, count in summary.queries.items())
    text = (
        f"{counted(summary.passages, 'passage')}, known-item queries: {queries} -> {summary.folder}"
    )
    say(text, summary.model_dump(mode="json"), printing)
