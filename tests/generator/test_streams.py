"""A reader that leaves early, as `| head` does, and a disk that is full, end a command in order."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import typer

from rankgen.generator.commands.reporting import reported
from rankgen.generator.commands.streams import READER_GONE, _Results

RANKGEN = str(Path(sys.executable).with_name("rankgen"))


@pytest.fixture
def evaluated(tmp_path: Path) -> list[str]:
    """A command whose result is some kilobytes long as JSON."""
    lines = [f"q{number} Q0 d 1 1 t\n" for number in range(3)]
    (tmp_path / "a.run").write_text("".join(lines))
    (tmp_path / "qrels").write_text("".join(f"q{number} 0 d 1\n" for number in range(900)))
    command = ["evaluate", "--qrels", str(tmp_path / "qrels"), "--run", str(tmp_path / "a.run")]
    return [*command, "--out", str(tmp_path / "out")]


@pytest.fixture
def closed_pipe() -> int:
    """The end to write into of a pipe that nobody reads any more."""
    reading, writing = os.pipe()
    os.close(reading)
    return writing


def run(
    words: list[str], stdout: int, stderr: int = subprocess.PIPE
) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            [RANKGEN, *words], stdout=stdout, stderr=stderr, text=True, check=False
        )
    finally:
        os.close(stdout)


@pytest.mark.parametrize(
    "words", [["--help"], ["evaluate", "--help"], ["--version"], ["doctor", "--json"]]
)
def test_what_is_only_printed(closed_pipe: int, words: list[str]) -> None:
    done = run(words, closed_pipe)
    assert (done.returncode, done.stderr) == (READER_GONE, "")


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_result_is_written_before_it_is_printed(
    closed_pipe: int, evaluated: list[str], options: list[str]
) -> None:
    done = run([*evaluated, *options], closed_pipe)
    assert (done.returncode, done.stderr) == (READER_GONE, "")
    written = json.loads(Path(evaluated[-1], "evaluation.json").read_text())
    assert written["queries"] == 900


def test_both_streams_at_once(closed_pipe: int, evaluated: list[str]) -> None:
    assert run(evaluated, closed_pipe, closed_pipe).returncode == READER_GONE


@pytest.mark.parametrize("is_full", [False, True])
def test_work_goes_on_without_its_progress(closed_pipe: int, tmp_path: Path, is_full: bool) -> None:
    (tmp_path / "a.run").write_text("q Q0 a 1 2 t\nq Q0 b 2 1 t\n")
    words = ["import", "trec-run", str(tmp_path / "a.run"), "--json", "--out"]
    seen = subprocess.run([RANKGEN, *words, str(tmp_path / "seen")], capture_output=True, text=True)
    assert seen.stderr
    unread = os.open("/dev/full", os.O_WRONLY) if is_full else closed_pipe
    done = subprocess.run(
        [RANKGEN, *words, str(tmp_path / "out")], stdout=subprocess.PIPE, stderr=unread, text=True
    )
    os.close(unread)
    assert (done.returncode, seen.returncode) == (0, 0)
    assert json.loads(done.stdout).keys() == json.loads(seen.stdout).keys()


def test_an_error_stays_one_where_nothing_was_printed(closed_pipe: int) -> None:
    done = run(["status", "no-such-run"], closed_pipe)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_full_disk_is_one_sentence(evaluated: list[str], options: list[str]) -> None:
    done = run([*evaluated, *options], os.open("/dev/full", os.O_WRONLY))
    assert done.returncode == 3
    error, hint = done.stderr.splitlines()
    assert error.startswith("error: standard output")
    assert "No space left on device" in error
    assert hint.startswith("hint: ")


def test_the_pipe_of_something_else_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    """Such as that of a process which died; to end quietly would call the work done."""

    def broken() -> None:
        raise BrokenPipeError(32, "Broken pipe")

    with pytest.raises(typer.Exit) as ended:
        reported(broken)()
    assert ended.value.exit_code == 3
    assert "error: Broken pipe" in capsys.readouterr().err


def test_a_thread_that_prints_goes_on(closed_pipe: int) -> None:
    written: list[int] = []
    file = _Results(closed_pipe)
    write: Callable[[], None] = lambda: written.append(file.write(b"four"))  # noqa: E731
    thread = threading.Thread(target=write)
    thread.start()
    thread.join()
    assert written == [4]
    os.close(closed_pipe)
