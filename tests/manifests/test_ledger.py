"""A shard exists when its record does; a kill between any two steps of a commit loses nothing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pytest

from rankgen.manifests import ledger as ledger_module
from rankgen.manifests.atomic import publish
from rankgen.manifests.commit_record import Attempt
from rankgen.manifests.errors import IntegrityProblem
from rankgen.manifests.ledger import Ledger
from rankgen.manifests.run_directory import RunDirectory
from rankgen.manifests.schema import QUERIES
from rankgen.manifests.shard import write_shard

FINGERPRINT = "f" * 64
PLANNED = ["1", "2", "3"]


class Killed(BaseException):
    """Stands for a SIGKILL: nothing catches it."""


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
    write_shard(run.attempts / name / "queries.parquet", "queries", rows(ids), FINGERPRINT)
    lost = {q: "died" for q in PLANNED if q not in ids}
    return Attempt(
        shard=0, revision=revision, name=name, quarantined=lost, counts={"n": 1}, facts={}
    )


def make_ledger(root: Path) -> tuple[RunDirectory, Ledger]:
    run = RunDirectory(root)
    return run, Ledger(run, FINGERPRINT, 1, ["queries"])


def public_bytes(run: RunDirectory) -> bytes:
    return run.shard_path("queries", 0, 1).read_bytes()


@pytest.fixture
def untouched(tmp_path: Path) -> bytes:
    run, ledger = make_ledger(tmp_path / "untouched")
    assert ledger.commit(attempt(run, "a"), PLANNED, accept)
    return public_bytes(run)


def test_a_commit_publishes_and_a_second_one_loses_the_race(
    tmp_path: Path, untouched: bytes
) -> None:
    run, ledger = make_ledger(tmp_path / "run")
    assert ledger.commit(attempt(run, "a"), PLANNED, accept)
    assert not ledger.commit(attempt(run, "b"), PLANNED, accept)
    assert public_bytes(run) == untouched
    assert list(run.attempts.iterdir()) == []
    assert ledger.records()[0].subjects[0].attempt == ".rankgen/attempts/a/queries.parquet"


KILL_POINTS: list[tuple[str, Callable[[pytest.MonkeyPatch], None]]] = [
    ("before validation", lambda m: m.setattr(ledger_module, "read_shard", _killed)),
    ("before hashing", lambda m: m.setattr(ledger_module, "sha256_of_file", _killed)),
    ("before the record", lambda m: m.setattr(ledger_module, "put_if_absent", _killed)),
    ("before the move", lambda m: m.setattr(ledger_module, "publish", _killed)),
    ("after the move", lambda m: m.setattr(ledger_module, "publish", _published_and_killed)),
    ("before the clean-up", lambda m: m.setattr(ledger_module, "remove_tree", _killed)),
]


def _killed(*args: object, **kwargs: object) -> None:
    raise Killed


def _published_and_killed(source: Path, public: Path) -> None:
    publish(source, public)
    raise Killed


@pytest.mark.parametrize(("point", "kill"), KILL_POINTS, ids=[name for name, _ in KILL_POINTS])
def test_a_kill_between_two_steps_resumes_to_the_same_bytes(
    tmp_path: Path,
    untouched: bytes,
    point: str,
    kill: Callable[[pytest.MonkeyPatch], None],
) -> None:
    run, ledger = make_ledger(tmp_path / "run")
    made = attempt(run, "a")
    with pytest.MonkeyPatch.context() as patch:
        kill(patch)
        with pytest.raises(Killed):
            ledger.commit(made, PLANNED, accept)
    _, resumed = make_ledger(tmp_path / "run")
    if 0 not in resumed.settle():
        assert "record" in point or "validation" in point or "hashing" in point
        assert not run.has_table("queries")
        assert resumed.commit(attempt(run, "again"), PLANNED, accept)
    resumed.settle()
    assert public_bytes(run) == untouched


def test_an_attempt_that_is_not_valid_is_never_committed(tmp_path: Path) -> None:
    run, ledger = make_ledger(tmp_path / "run")
    wrong = attempt(run, "a", ["1"]).model_copy(update={"quarantined": {}})
    with pytest.raises(IntegrityProblem, match="other queries"):
        ledger.commit(wrong, PLANNED, accept)
    half = attempt(run, "b")
    path = run.attempts / "b" / "queries.parquet"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(IntegrityProblem, match="cannot be read"):
        ledger.commit(half, PLANNED, accept)
    assert ledger.records() == {}
    assert not run.has_table("queries")


def test_quarantined_queries_come_with_the_next_revision(tmp_path: Path, untouched: bytes) -> None:
    run, ledger = make_ledger(tmp_path / "run")
    ledger.commit(attempt(run, "a", ["1", "3"]), PLANNED, accept)
    assert ledger.records()[0].quarantined == {"2": "died"}
    ledger.commit(attempt(run, "b", PLANNED, revision=1), PLANNED, accept)
    assert ledger.records()[0].quarantined == {}
    assert public_bytes(run) == untouched


def test_a_committed_file_that_is_gone_or_cut_is_reported(tmp_path: Path) -> None:
    run, ledger = make_ledger(tmp_path / "run")
    ledger.commit(attempt(run, "a"), PLANNED, accept)
    public = run.shard_path("queries", 0, 1)
    shutil.copy(public, tmp_path / "copy")
    os.truncate(public, 10)
    with pytest.raises(IntegrityProblem, match="has 10 bytes"):
        ledger.settle()
    public.unlink()
    with pytest.raises(IntegrityProblem, match="is missing, although it was committed"):
        ledger.settle()
    shutil.copy(tmp_path / "copy", public)
    assert 0 in ledger.settle()


def test_records_of_another_recipe_and_damaged_ones_are_refused(tmp_path: Path) -> None:
    run, ledger = make_ledger(tmp_path / "run")
    ledger.commit(attempt(run, "a"), PLANNED, accept)
    with pytest.raises(IntegrityProblem, match="another recipe"):
        Ledger(run, "0" * 64, 1, ["queries"]).records()
    record = run.commits / "00000.0.json"
    record.write_bytes(record.read_bytes()[:-30])
    with pytest.raises(IntegrityProblem, match="is damaged"):
        ledger.records()
    (run.commits / "notes.json").write_text("{}")
    with pytest.raises(IntegrityProblem, match="not a commit record"):
        ledger.records()
