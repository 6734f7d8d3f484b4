from __future__ import annotations

import multiprocessing
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from rankgen.manifests.errors import EnvironmentProblem
from rankgen.retrieval.cache import cache_root, cached_folder


def test_the_root_is_named_by_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANKGEN_CACHE", str(tmp_path))
    assert cache_root() == tmp_path
    monkeypatch.delenv("RANKGEN_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_root() == tmp_path / "home" / ".cache" / "rankgen"


def test_an_entry_is_built_once(tmp_path: Path) -> None:
    calls = []

    def build(draft: Path) -> None:
        calls.append(draft)
        (draft / "content").write_text("x")

    entry = tmp_path / "kind" / "key"
    for _ in range(2):
        assert cached_folder(entry, build) == entry
    assert len(calls) == 1
    assert [path.name for path in entry.parent.iterdir()] == ["key"]


def test_a_failed_build_leaves_nothing(tmp_path: Path) -> None:
    def build(draft: Path) -> None:
        (draft / "half").write_text("x")
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        cached_folder(tmp_path / "key", build)
    assert list(tmp_path.iterdir()) == []


def test_of_racing_builders_one_wins_and_all_share_its_folder(tmp_path: Path) -> None:
    entry, racers = tmp_path / "key", 8
    together = threading.Barrier(racers)
    results = []

    def race(number: int) -> None:
        def build(draft: Path) -> None:
            (draft / "who").write_text(str(number))
            (draft / "again").write_text(str(number))
            together.wait()

        results.append(cached_folder(entry, build))

    threads = [threading.Thread(target=race, args=(number,)) for number in range(racers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [entry] * racers
    assert (entry / "who").read_text() == (entry / "again").read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["key"]


def test_drafts_of_dead_processes_are_removed_and_those_of_living_ones_kept(
    tmp_path: Path,
) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    host = socket.gethostname()
    abandoned = tmp_path / f".draft.{host}.{dead.pid}.aa"
    alive = tmp_path / f".draft.{host}.{os.getpid()}.bb"
    elsewhere = tmp_path / f".draft.{host}x.{dead.pid}.cc"
    for draft in (abandoned, alive, elsewhere):
        draft.mkdir()
    cached_folder(tmp_path / "key", lambda draft: (draft / "x").touch())
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        ["key", alive.name, elsewhere.name]
    )


def _build_slowly(entry: str, started: str, resumes: bool = False) -> None:
    def build(draft: Path) -> None:
        (draft / "half").write_text("x")
        Path(started).touch()
        threading.Event().wait()

    cached_folder(Path(entry), build, resumes=resumes)


def test_a_build_that_was_killed_is_never_used(tmp_path: Path) -> None:
    entry, started = tmp_path / "cache" / "key", tmp_path / "started"
    process = multiprocessing.get_context("fork").Process(
        target=_build_slowly, args=(str(entry), str(started))
    )
    process.start()
    while not started.exists():
        pass
    process.kill()
    process.join()
    assert not entry.exists()
    cached_folder(entry, lambda draft: (draft / "whole").touch())
    assert [path.name for path in entry.iterdir()] == ["whole"]
    assert [path.name for path in entry.parent.iterdir()] == ["key"]


def test_what_a_killed_builder_left_is_taken_up_where_a_build_can_resume(tmp_path: Path) -> None:
    entry, started = tmp_path / "cache" / "key", tmp_path / "started"
    process = multiprocessing.get_context("fork").Process(
        target=_build_slowly, args=(str(entry), str(started), True)
    )
    process.start()
    while not started.exists():
        pass
    found: list[list[str]] = []

    def build(draft: Path) -> None:
        found.append(sorted(path.name for path in draft.iterdir()))
        (draft / "whole").touch()

    cached_folder(entry.with_name("other"), build, resumes=True)
    process.kill()
    process.join()
    cached_folder(entry.with_name("another"), build, resumes=True)
    cached_folder(entry, build, resumes=True)
    # Neither a living builder's nor another entry's.
    assert found == [[], [], ["half"]]
    assert sorted(path.name for path in entry.iterdir()) == ["half", "whole"]


@pytest.mark.parametrize(
    ("stopped", "is_kept"),
    [
        (KeyboardInterrupt(), True),
        (EnvironmentProblem("no space", "make some"), True),
        (ValueError("wrong"), False),
    ],
)
def test_what_stays_of_a_build_that_can_resume(
    tmp_path: Path, stopped: BaseException, is_kept: bool
) -> None:
    def build(draft: Path) -> None:
        raise stopped

    with pytest.raises(type(stopped)):
        cached_folder(tmp_path / "key", build, resumes=True)
    assert len(list(tmp_path.iterdir())) == int(is_kept)
