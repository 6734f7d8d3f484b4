"""The record of a committed shard, and the worker's report it is made from."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, JsonValue, StringConstraints

# Records come along when a run is shared: no path in them may lead out of the run's folder.
TableName = Annotated[str, StringConstraints(pattern=r"^[a-z_]+$")]
AttemptFile = Annotated[
    str,
    StringConstraints(
        pattern=r"^\.rankgen/attempts/[0-9A-Za-z_-][0-9A-Za-z._-]*/[a-z_]+\.parquet$"
    ),
]


class Subject(BaseModel, frozen=True, extra="forbid"):
    """One committed file: a shard of `table`; `attempt` is relative to the run's folder."""

    table: TableName
    attempt: AttemptFile
    rows: int
    bytes: int
    sha256: str


class ShardResult(BaseModel, frozen=True, extra="forbid"):
    """What is known of one revision of a shard besides its files.

    Attributes:
        quarantined: query_id -> reason, for planned queries that are not in the shard.
        counts: Counts such as windows by outcome and tokens.
        facts: How the shard was made: worker, engine, versions, times.
    """

    shard: int
    revision: int
    quarantined: dict[str, str]
    counts: dict[str, int]
    facts: dict[str, JsonValue]


class CommitRecord(ShardResult, frozen=True):
    """The record that commits one revision of a shard."""

    fingerprint: str
    subjects: tuple[Subject, ...]


class Attempt(ShardResult, frozen=True):
    """A worker's report on the files it wrote under `.rankgen/attempts/<name>/`."""

    name: str
