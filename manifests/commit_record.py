"""What a commit says of a shard, and what a worker reports before it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, JsonValue


class Subject(BaseModel):
    """One committed file, named relative to the run's folder."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    table: str
    attempt: str
    rows: int
    bytes: int
    sha256: str


class CommitRecord(BaseModel):
    """The truth about one shard.

    Attributes:
        quarantined: query_id -> reason, for planned queries that the shard does not hold.
        counts: What happened in the shard, such as windows by outcome and tokens.
        facts: With what it was made: worker, engine, versions, times.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    shard: int
    revision: int
    fingerprint: str
    subjects: tuple[Subject, ...]
    quarantined: dict[str, str]
    counts: dict[str, int]
    facts: dict[str, JsonValue]


class Attempt(BaseModel):
    """What a worker reports about the files it wrote under `.rankgen/attempts/<name>/`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    shard: int
    revision: int
    name: str
    quarantined: dict[str, str]
    counts: dict[str, int]
    facts: dict[str, JsonValue]
