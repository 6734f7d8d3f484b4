"""`rankgen reproduce`: the paper's tables beside one's own runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from rankgen.generator.commands.options import Printing
from rankgen.generator.commands.reporting import say
from rankgen.manifests.options import Option, Settings


class ReproduceSettings(Settings):
    """Which table, and what to put beside it."""

    table: Annotated[
        str,
        Option("table1, table2 or figure1 of arXiv 2405.07920.", metavar="TABLE", is_argument=True),
    ]
    runs: Annotated[
        tuple[str, ...],
        Option("A TREC run; repeatable.", flags=("--run", "--runs"), metavar="SYSTEM:TASK=FILE"),
    ] = ()
    qrels: Annotated[
        tuple[str, ...],
        Option("Judgements of a task; repeatable.", metavar="TASK=FILE|irds:ID"),
    ] = ()
    fetch_qrels: Annotated[
        bool, Option("Take judgements that no --qrels names from ir_datasets.")
    ] = False


def reproduce(settings: ReproduceSettings, printing: Printing) -> None:
    """Prints the paper's figures beside one's own."""
    from rankgen.students.paper.reproduce import format_reproduction
    from rankgen.students.paper.reproduce import reproduce as lay_beside

    runs: dict[str, dict[str, Path]] = {}
    for text in settings.runs:
        key, path = _split(text, "--run SYSTEM:TASK=FILE")
        system, colon, task = key.partition(":")
        if not colon or not system:
            _refuse(text, "--run SYSTEM:TASK=FILE")
        runs.setdefault(system, {})[task] = path
    judgements = dict(_split(text, "--qrels TASK=FILE") for text in settings.qrels)
    found = lay_beside(settings.table, judgements, runs, fetches=settings.fetch_qrels)
    say(format_reproduction(found), found.as_json(), printing)


def _split(text: str, shape: str) -> tuple[str, Path]:
    key, equals, path = text.partition("=")
    if not equals or not key or not path:
        _refuse(text, shape)
    return key, Path(path)


def _refuse(text: str, shape: str) -> None:
    from rankgen.manifests.errors import UsageError

    raise UsageError(f"'{text}' has the wrong form", f"type {shape}")
