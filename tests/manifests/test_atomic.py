"""A file is whole or absent, and of any number of racers one wins."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from rankgen.manifests.storage import atomic
from rankgen.manifests.storage.atomic import put_if_absent, whole_file, write_whole


def test_of_many_racers_one_wins(tmp_path: Path) -> None:
    target = tmp_path / "record.json"
    winners: list[int] = []
    barrier = threading.Barrier(32)

    def race(number: int) -> None:
        barrier.wait()
        if put_if_absent(target, str(number).encode()):
            winners.append(number)

    threads = [threading.Thread(target=race, args=(n,)) for n in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(winners) == 1
    assert target.read_text() == str(winners[0])
    assert list(tmp_path.iterdir()) == [target]


def test_a_failed_write_leaves_the_old_content(tmp_path: Path) -> None:
    target = tmp_path / "file"
    write_whole(target, b"old")

    def die_half_way() -> None:
        with whole_file(target) as draft:
            draft.write_bytes(b"half of the new")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        die_half_way()
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the file system is asked for, as it comes: "sync", "replace" or "link" and a name."""
    seen: list[str] = []
    sync, replace, link = os.fsync, os.replace, os.link

    def synced(descriptor: int) -> None:
        sync(descriptor)
        name = Path(f"/proc/self/fd/{descriptor}").readlink().name
        seen.append("sync draft" if name.endswith(".draft") else f"sync {name}")

    def replaced(source: Path, target: Path) -> None:
        replace(source, target)
        seen.append(f"replace {target.name}")

    def linked(source: Path, target: Path) -> None:
        link(source, target)
        seen.append(f"link {target.name}")

    for name, step in (("fsync", synced), ("replace", replaced), ("link", linked)):
        monkeypatch.setattr(os, name, step)
    return seen


def test_bytes_are_on_the_disk_before_anybody_sees_them(tmp_path: Path, steps: list[str]) -> None:
    write_whole(tmp_path / "shard", b"x")
    assert steps == ["sync draft", "replace shard", f"sync {tmp_path.name}"]
    steps.clear()
    put_if_absent(tmp_path / "record", b"x")
    assert steps == ["sync draft", "link record", f"sync {tmp_path.name}"]


def test_a_link_whose_answer_was_lost_has_won(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = os.link

    def linked_and_asked_again(source: Path, target: Path) -> None:
        link(source, target)
        raise FileExistsError(17, "File exists", str(target))

    monkeypatch.setattr(os, "link", linked_and_asked_again)
    assert put_if_absent(tmp_path / "record", b"mine")
    monkeypatch.undo()
    assert not put_if_absent(tmp_path / "record", b"mine")
    assert [path.name for path in tmp_path.iterdir()] == ["record"]


def test_every_new_folder_is_forced_to_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []
    monkeypatch.setattr(atomic, "fsync_directory", synced.append)
    put_if_absent(tmp_path / "a" / "b" / "record", b"x")
    assert {tmp_path, tmp_path / "a", tmp_path / "a" / "b"} <= set(synced)
