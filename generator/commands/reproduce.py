"""`rankgen reproduce`: the paper's tables beside one's own runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rankgen.generator.commands.options import AsJson
from rankgen.generator.commands.reporting import reported, say


@reported
def reproduce(
    table: Annotated[str, typer.Argument(help="table1, table2 or figure1 of arXiv 2405.07920.")],
    run: Annotated[
        list[str] | None,
        typer.Option(help="SYSTEM:TASK=FILE, a TREC run; repeatable."),
    ] = None,
    qrels: Annotated[
        list[str] | None,
        typer.Option(help="TASK=FILE or TASK=irds:ID, its judgements; repeatable."),
    ] = None,
    fetch_qrels: Annotated[
        bool,
        typer.Option(
            "--fetch-qrels", help="Take judgements that no --qrels names from ir_datasets."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Print the paper's figures beside one's own, and what is missing for the rest."""
    from rankgen.students.paper.reproduce import format_reproduction
    from rankgen.students.paper.reproduce import reproduce as lay_beside

    runs: dict[str, dict[str, Path]] = {}
    for text in run or []:
        key, path = _split(text, "--run SYSTEM:TASK=FILE")
        system, colon, task = key.partition(":")
        if not colon or not system:
            _refuse(text, "--run SYSTEM:TASK=FILE")
        runs.setdefault(system, {})[task] = path
    judgements = dict(_split(text, "--qrels TASK=FILE") for text in qrels or [])
    found = lay_beside(table, judgements, runs, fetches=fetch_qrels)
    say(format_reproduction(found), found.as_json(), as_json=as_json)


def _split(text: str, shape: str) -> tuple[str, Path]:
    key, equals, path = text.partition("=")
    if not equals or not key or not path:
        _refuse(text, shape)
    return key, Path(path)


def _refuse(text: str, shape: str) -> None:
    from rankgen.manifests.errors import UsageError

    raise UsageError(f"'{text}' has the wrong form", f"type {shape}")
