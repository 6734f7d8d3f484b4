"""A ledger of one shard of three queries, attempts at it, and what kills a commit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from rankgen.manifests.errors import IntegrityProblem
from rankgen.manifests.run.commit_record import Attempt
from rankgen.manifests.run.ledger import Ledger
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.schema import QUERIES
from rankgen.manifests.storage.atomic import publish, whole_file
from rankgen.manifests.storage.shard import write_shard

FINGERPRINT = "f" * 64
PLANNED = ["1", "2", "3"]


class Killed(BaseException):
    """Stands for a SIGKILL: nothing catches it."""


def killed(*args: object, **kwargs: object) -> None:
    raise Killed


def published_and_killed(source: Path, public: Path) -> None:
    publish(source, public)
    raise Killed


def accept(
    tables: Mapping[str, pa.Table], planned: Sequence[str], quarantined: Mapping[str, str]
) -> None:
    held = tables["queries"]["query_id"].to_pylist()
    if sorted(held) != sorted(set(planned) - set(quarantined)):
        raise IntegrityProblem("other queries")


def rows(query_ids: Sequence[str]) -> pa.Table:
    return pa.table({"query_id": query_ids, "text": [f"text {q}" for q in query_ids]}, QUERIES)


def attempt(
    run: RunDirectory, name: str, ids: Sequence[str] = PLANNED, revision: int = 0
) -> Attempt:
    with whole_file(run.attempts / name / "queries.parquet") as draft:
        write_shard(draft, "queries", rows(ids), FINGERPRINT)
    lost = {q: "died" for q in PLANNED if q not in ids}
    return Attempt(
        shard=0, revision=revision, name=name, quarantined=lost, counts={"n": 1}, facts={}
    )


def make_ledger(root: Path) -> tuple[RunDirectory, Ledger]:
    run = RunDirectory(root)
    return run, Ledger(run, FINGERPRINT, 1, ["queries"])


def public_bytes(run: RunDirectory) -> bytes:
    return run.shard_path("queries", 0, 1).read_bytes()
