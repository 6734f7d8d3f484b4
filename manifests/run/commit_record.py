"""What a commit says of a shard, and what a worker reports before it."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, JsonValue, StringConstraints

# A shared run brings its records along: no name in one may lead out of the run's folder.
TableName = Annotated[str, StringConstraints(pattern=r"^[a-z_]+$")]
AttemptFile = Annotated[
    str,
    StringConstraints(
        pattern=r"^\.rankgen/attempts/[0-9A-Za-z_-][0-9A-Za-z._-]*/[a-z_]+\.parquet$"
    ),
]


class Subject(BaseModel):
    """One committed file.

    Attributes:
        table: The table that it is a shard of.
        attempt: Where the attempt's file stood, relative to the run's folder.
        rows: Its rows.
        bytes: Its size.
        sha256: Its digest.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    table: TableName
    attempt: AttemptFile
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
