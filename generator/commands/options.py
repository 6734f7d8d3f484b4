"""Options of commands that are not settings of their work: what is printed, shown or forecast."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated

from pydantic import Field

from rankgen.manifests.options import RUN_METAVAR, Option, Settings

ASSUMED_TOKENS_PER_SECOND = 30_000.0
RunFolder = Annotated[
    str,
    Option(
        "Folder of a retrieve, negatives, label, import, subsample or rerank run.",
        metavar=RUN_METAVAR,
        is_argument=True,
    ),
]


class Printing(Settings):
    """How a result is printed."""

    as_json: Annotated[
        bool, Option("Print the result as one JSON document.", flags=("--json",))
    ] = False


class Metrics(Settings):
    """Where a command publishes Prometheus metrics while it works."""

    panel = "Metrics"
    metrics_port: Annotated[
        int | None,
        Field(ge=1, le=65535),
        Option(
            "Serve Prometheus metrics by HTTP on this port while the command works.",
            "not served",
        ),
    ] = None
    metrics_file: Annotated[
        Path | None,
        Option(
            "Write Prometheus metrics to this file every 10 seconds, for node_exporter's textfile "
            "collector.",
            "not written",
            metavar="NAME.prom",
        ),
    ] = None

    def published(self) -> AbstractContextManager[None]:
        """Returns what publishes the metrics of a block."""
        from rankgen.generator.shards.metrics import published_metrics

        return published_metrics(self.metrics_port, self.metrics_file)


class Forecast(Settings):
    """Whether a command only says what its work would cost."""

    dry_run: Annotated[bool, Option("Print shards, calls, tokens and GPU-hours only.")] = False
    tokens_per_second: Annotated[
        float,
        Field(gt=0),
        Option("What --dry-run assumes of one GPU, prompt and output together."),
    ] = ASSUMED_TOKENS_PER_SECOND
