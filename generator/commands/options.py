"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

# Runs are named by texts, not by `Path`, which would turn s3://bucket into s3:/bucket.
RUN_METAVAR = "FOLDER|s3://…"
Out = Annotated[
    str,
    typer.Option(help="Folder of the run; repeat the command to resume.", metavar=RUN_METAVAR),
]
Run = Annotated[
    str,
    typer.Argument(
        help="The folder of a retrieve, negatives, label or rerank run.", metavar=RUN_METAVAR
    ),
]
Shards = Annotated[
    int | None,
    typer.Option(help="Number of shards.", show_default="one for about a hundred queries"),
]
MaxFailed = Annotated[
    int, typer.Option(help="Queries that may stay without a result before the exit code is 4.")
]
OwnDocument = Annotated[
    str,
    typer.Option(
        help="A document that is the query itself, as in ArguAna: auto leaves it out (same id and "
        "text), drop leaves out any document of the query's id, keep leaves it in."
    ),
]
RayAddress = Annotated[
    str | None,
    typer.Option(
        help="A Ray cluster: auto, host:6379 or ray://…; local is this machine.",
        show_default="local",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as one JSON document.")]
