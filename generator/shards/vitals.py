"""A worker's answer to the question how it is doing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable


@dataclass(frozen=True)
class LastError:
    """The last failure in a worker.

    Attributes:
        time: Seconds since 1970.
        reason: The reason, in a sentence.
    """

    time: float
    reason: str


@dataclass(frozen=True)
class Vitals:
    """The state of a worker.

    Attributes:
        worker: Host and process.
        progress: See `ShardWork.progress`.
        gauges: See `rankgen.generator.engines.gauges`.
        error: The last failure, if any.
        chains: Queries that it can have under way at once; None if it does not tell.
        finished: Shard -> its ended queries, for shards that are being filled.
    """

    worker: str
    progress: int
    gauges: Mapping[str, float] = field(default_factory=dict)
    error: LastError | None = None
    chains: int | None = None
    finished: Mapping[int, int] = field(default_factory=dict)


@runtime_checkable
class Failing(Protocol):
    """Work that reports failures before its shard is done."""

    @property
    def last_error(self) -> LastError | None:
        """The last failure, if any."""


@runtime_checkable
class Flowing(Protocol):
    """Work on many queries at once, that knows how many it can take."""

    def chains(self) -> int:
        """Returns how many queries it can have under way at once."""

    def finished(self, journal: Path) -> int:
        """Returns the ended queries of the shard with this journal; 0 if it is not being filled."""
