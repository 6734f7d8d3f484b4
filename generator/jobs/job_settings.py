"""What every job that fills shards can be told."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, PositiveInt

from rankgen.manifests.options import RUN_METAVAR, Option, Settings
from rankgen.manifests.storage.run_path import RunPath

RAY_PANEL = "Ray and shards"
RayAddress = Annotated[
    str | None,
    Option(
        "A Ray cluster: auto, host:6379 or ray://host:10001; local is this machine.",
        shown="local",
        panel=RAY_PANEL,
    ),
]
StallSeconds = Annotated[
    float,
    Field(gt=0),
    Option("Replace a worker that finishes nothing for this many seconds.", panel=RAY_PANEL),
]


class JobSettings(Settings):
    """Where a job publishes, and how it is spread over shards and workers."""

    out: Annotated[
        RunPath,
        Option("Folder of the run; repeat the command to resume it.", metavar=RUN_METAVAR),
    ]
    shards: Annotated[
        PositiveInt | None,
        Option("Number of shards.", shown="one for about 100 queries", panel=RAY_PANEL),
    ] = None
    max_failed: Annotated[
        int,
        Field(ge=0),
        Option("Failed queries to tolerate before exiting with code 4.", panel=RAY_PANEL),
    ] = 0
    ray_address: RayAddress = None
