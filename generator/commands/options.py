"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

Shards = Annotated[
    int | None,
    typer.Option(help="Number of shards.", show_default="one for about a hundred queries"),
]
MaxFailed = Annotated[
    int, typer.Option(help="Queries that may stay without a result before the exit code is 4.")
]
RayAddress = Annotated[
    str | None,
    typer.Option(help="A Ray cluster (auto, host:6379, ray://…).", show_default="this machine"),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as one JSON document.")]
