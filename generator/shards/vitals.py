"""What a worker answers when it is asked how it does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable


@dataclass(frozen=True)
class LastError:
    """What failed last in a worker.

    Attributes:
        time: When, in seconds since 1970.
        reason: In a sentence.
    """

    time: float
    reason: str


@dataclass(frozen=True)
class Vitals:
    """How a worker does.

    Attributes:
        worker: Host and process.
        progress: See `ShardWork.progress`.
        gauges: See `rankgen.generator.engines.gauges`.
        error: What failed last.
    """

    worker: str
    progress: int
    gauges: Mapping[str, float] = field(default_factory=dict)
    error: LastError | None = None


@runtime_checkable
class Failing(Protocol):
    """Work that can say what failed before its shard is done."""

    @property
    def last_error(self) -> LastError | None:
        """What failed last; None when nothing did."""
