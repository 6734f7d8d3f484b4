"""The window journal survives a kill at any byte, and asks again for what is damaged."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any  # typing has no name for a buffer before 3.12

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rankgen.generator.answers.outcomes import TokenUsage, WindowOutcome, WindowResult
from rankgen.generator.teachers.journal import WindowJournal, journalled_windows

RESULTS = {
    "a": WindowResult((1, 0), usage=TokenUsage(20, 9)),
    "b": WindowResult(
        (2, 0, 1), WindowOutcome.REPAIRED, 1, 2, 3, TokenUsage(30, 14), "[3] > [3] ☃\n[9]"
    ),
    "c": WindowResult((0,)),
}


def written(folder: Path) -> Path:
    journal = WindowJournal(folder)
    for key, result in RESULTS.items():
        journal.append(key, result)
    journal.close()
    return next(path for path in folder.glob("*.jsonl") if path.stat().st_size)


def test_results_come_back_as_they_were(tmp_path: Path) -> None:
    written(tmp_path)
    journal = WindowJournal(tmp_path)
    assert {key: journal.find(key) for key in RESULTS} == RESULTS
    assert journal.find("d") is None
    assert journalled_windows(tmp_path) == 3


@settings(max_examples=40)
@given(st.data())
def test_a_file_torn_at_any_byte_gives_back_the_whole_lines(data: st.DataObject) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        path = written(Path(name))
        content = path.read_bytes()
        cut = data.draw(st.integers(0, len(content)))
        path.write_bytes(content[:cut])
        whole = content[:cut].count(b"\n")
        journal = WindowJournal(Path(name))
        found = {key: journal.find(key) for key in RESULTS if journal.find(key)}
        assert found == dict(list(RESULTS.items())[:whole])


def test_what_was_appended_is_found_by_the_same_journal(tmp_path: Path) -> None:
    journal = WindowJournal(tmp_path)
    journal.append("b", RESULTS["b"])
    assert journal.find("b") == RESULTS["b"]
    assert journal.find("a") is None


def test_writers_do_not_share_files(tmp_path: Path) -> None:
    one, other = WindowJournal(tmp_path), WindowJournal(tmp_path)
    one.append("a", RESULTS["a"])
    other.append("b", RESULTS["b"])
    assert WindowJournal(tmp_path).find("a") == RESULTS["a"]
    assert WindowJournal(tmp_path).find("b") == RESULTS["b"]


@pytest.mark.parametrize("place", [0, 20, 60, -2])
def test_a_damaged_line_is_skipped_and_counted(tmp_path: Path, place: int) -> None:
    path = written(tmp_path)
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    journal = WindowJournal(tmp_path)
    found = {key: result for key in RESULTS if (result := journal.find(key)) is not None}
    assert journal.damaged == 1
    assert len(found) == journalled_windows(tmp_path) == 2
    assert all(found[key] == RESULTS[key] for key in found)


class MeanFile(io.RawIOBase):
    """Takes at most seven bytes of each write, as a disk may."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab", buffering=0)

    def write(self, content: Any, /) -> int | None:
        return self._file.write(memoryview(content)[:7])

    def fileno(self) -> int:
        return self._file.fileno()


def test_a_short_write_is_gone_on_with(tmp_path: Path) -> None:
    journal = WindowJournal(tmp_path)
    path = next(tmp_path.glob("*.jsonl"))
    journal._lines._file = MeanFile(path)  # type: ignore[attr-defined]  # the fault is injected
    for key, result in RESULTS.items():
        journal.append(key, result)
    assert {key: WindowJournal(tmp_path).find(key) for key in RESULTS} == RESULTS
