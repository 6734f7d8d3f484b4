"""A shard exists when its record does; a kill between any two steps of a commit loses nothing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from toy_ledger import (
    PLANNED,
    Killed,
    accept,
    attempt,
    killed,
    make_ledger,
    public_bytes,
    published_and_killed,
)

from rankgen.manifests.errors import IntegrityProblem
from rankgen.manifests.run import ledger as ledger_module
from rankgen.manifests.run.ledger import Ledger


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
    ("before validation", lambda m: m.setattr(ledger_module, "read_shard", killed)),
    ("before hashing", lambda m: m.setattr(ledger_module, "sha256_of_bytes", killed)),
    ("before the record", lambda m: m.setattr(ledger_module, "put_if_absent", killed)),
    ("before the move", lambda m: m.setattr(ledger_module, "publish", killed)),
    ("after the move", lambda m: m.setattr(ledger_module, "publish", published_and_killed)),
    ("before the clean-up", lambda m: m.setattr(ledger_module, "remove_tree", killed)),
]


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


def test_the_tenth_revision_is_later_than_the_ninth(tmp_path: Path) -> None:
    run, ledger = make_ledger(tmp_path / "run")
    for revision in (10, 9, 2, 0):
        ids = PLANNED if revision == 10 else PLANNED[:1]
        ledger.commit(attempt(run, f"a{revision}", ids, revision), PLANNED, accept)
    assert [record.revision for record in ledger.history()] == [0, 2, 9, 10]
    assert ledger.records()[0].counts == {"n": 1}
    assert ledger.records()[0].quarantined == {}


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
    _, later = make_ledger(tmp_path / "run")
    with pytest.raises(IntegrityProblem, match="is damaged"):
        later.records()
    (run.commits / "notes.json").write_text("{}")
    with pytest.raises(IntegrityProblem, match="not a commit record"):
        later.records()


def test_a_link_whose_answer_was_lost_is_our_own_commit(
    tmp_path: Path, untouched: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, ledger = make_ledger(tmp_path / "run")
    link = os.link

    def linked_and_asked_again(source: Path, target: Path) -> None:
        link(source, target)
        raise FileExistsError(17, "File exists", str(target))

    monkeypatch.setattr(os, "link", linked_and_asked_again)
    assert ledger.commit(attempt(run, "a"), PLANNED, accept)
    assert public_bytes(run) == untouched


def test_an_attempt_that_the_standing_record_names_is_published_not_removed(
    tmp_path: Path, untouched: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, ledger = make_ledger(tmp_path / "run")
    made = attempt(run, "a")
    with monkeypatch.context() as patch:
        patch.setattr(ledger_module, "publish", killed)
        with pytest.raises(Killed):
            ledger.commit(made, PLANNED, accept)
    assert ledger.commit(made, PLANNED, accept), "the record stands and names this attempt"
    assert public_bytes(run) == untouched
    assert not ledger.commit(attempt(run, "b"), PLANNED, accept)
    assert public_bytes(run) == untouched


@pytest.mark.parametrize(
    "name",
    ["../../../outside/queries.parquet", "/etc/queries.parquet", ".rankgen/attempts/../q.parquet"],
)
def test_a_record_cannot_name_a_file_outside_its_run(tmp_path: Path, name: str) -> None:
    run, ledger = make_ledger(tmp_path / "run")
    outside = tmp_path / "outside" / "queries.parquet"
    outside.parent.mkdir()
    outside.write_bytes(b"not ours")
    assert ledger.commit(attempt(run, "a"), PLANNED, accept)
    record = next(run.commits.glob("*.json"))
    record.write_text(record.read_text().replace(".rankgen/attempts/a/queries.parquet", name))
    _, later = make_ledger(tmp_path / "run")
    with pytest.raises(IntegrityProblem, match="is damaged"):
        later.settle()
    assert outside.read_bytes() == b"not ours"
