"""A worker's answer to the question how it is doing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
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
    """

    worker: str
    progress: int
    gauges: Mapping[str, float] = field(default_factory=dict)
    error: LastError | None = None


@runtime_checkable
class Failing(Protocol):
    """Work that reports failures before its shard is done."""

    @property
    def last_error(self) -> LastError | None:
        """The last failure, if any."""
