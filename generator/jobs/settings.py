"""What every job that fills shards can be told."""

from __future__ import annotations

from typing import Annotated

from pydantic import NonNegativeInt, PositiveFloat, PositiveInt

from rankgen.manifests.options import RUN_METAVAR, Option, Settings
from rankgen.manifests.storage.run_path import NewRunPath


class ClusterSettings(Settings):
    """Where workers run."""

    panel = "Ray and shards"
    ray_address: Annotated[
        str | None,
        Option(
            "A Ray cluster: auto, host:6379 or ray://host:10001; local is this machine.", "local"
        ),
    ] = None


class ShardSettings(ClusterSettings):
    """How a job is spread over shards and workers."""

    panel = "Ray and shards"
    shards: Annotated[
        PositiveInt | None, Option("Number of shards.", "one for about 100 queries")
    ] = None
    max_failed: Annotated[
        NonNegativeInt, Option("Failed queries to tolerate before exiting with code 4.")
    ] = 0
    stall_seconds: Annotated[
        PositiveFloat, Option("Replace a worker that finishes nothing for this many seconds.")
    ] = 1800.0


class JobSettings(ShardSettings):
    """What every job has: a folder that it publishes into, and shards."""

    out: Annotated[
        NewRunPath,
        Option("Folder of the run; repeat the command to resume it.", metavar=RUN_METAVAR),
    ]
