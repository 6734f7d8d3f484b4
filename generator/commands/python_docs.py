"""The step `python-docs` of a recipe: a collection made from the interpreter's documentation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from rankgen.generator.commands.reporting import say
from rankgen.manifests.validation import validated
from rankgen.retrieval.collections.python_docs import write_python_docs


class PythonDocsOptions(BaseModel):
    """See `write_python_docs`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    out: Path
    passages: int = Field(default=3000, ge=100)
    seed: int = 0


def perform_python_docs(values: Mapping[str, object], where: str) -> None:
    """Writes the collection; the same interpreter writes the same files each time."""
    options = validated(PythonDocsOptions, values, where)
    summary = write_python_docs(options.out, passages=options.passages, seed=options.seed)
    queries = ", ".join(f"{count} {split}" for split, count in summary.queries.items())
    text = f"{summary.passages:,} passages, known-item queries: {queries} -> {summary.folder}"
    say(text, summary.model_dump(mode="json"), as_json=False)
