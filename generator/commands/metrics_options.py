"""The options of commands that publish Prometheus metrics while they work."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated, cast

import typer

MetricsPort = Annotated[
    int | None,
    typer.Option(
        help="Serve Prometheus metrics by HTTP on this port while the command works.",
        min=1,
        max=65535,
        show_default="not served",
    ),
]
MetricsFile = Annotated[
    Path | None,
    typer.Option(
        help="Write Prometheus metrics to this file, NAME.prom, every 10 seconds, for "
        "node_exporter's textfile collector.",
        show_default="not written",
    ),
]


def pop_metrics(options: dict[str, object]) -> AbstractContextManager[None]:
    """Takes these options out and returns what publishes the metrics of a block."""
    from rankgen.generator.shards.metrics import published_metrics

    port = cast("int | None", options.pop("metrics_port"))
    return published_metrics(port, cast("Path | None", options.pop("metrics_file")))
