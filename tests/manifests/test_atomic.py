"""A file is whole or absent, and of any number of racers one wins."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from rankgen.manifests import atomic
from rankgen.manifests.atomic import put_if_absent, whole_file, write_whole


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


def test_every_new_folder_is_forced_to_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []
    monkeypatch.setattr(atomic, "fsync_directory", synced.append)
    put_if_absent(tmp_path / "a" / "b" / "record", b"x")
    assert {tmp_path, tmp_path / "a", tmp_path / "a" / "b"} <= set(synced)
