"""Temporary folders: gone after their block, and after the next one if their process was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from rankgen.manifests.storage.scratch import scratch_folder

HELD = """
import time
from rankgen.manifests.storage.scratch import scratch_folder
with scratch_folder("test") as folder:
    (folder / "rows").write_bytes(b"x")
    print(folder, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


def test_a_folder_ends_with_its_block(temporary: Path) -> None:
    with scratch_folder("test") as folder:
        assert folder.is_relative_to(temporary)
        assert list(folder.iterdir()) == []
    assert list(temporary.iterdir()) == []


def test_a_killed_process_leaves_nothing_for_long(temporary: Path) -> None:
    command = [sys.executable, "-c", HELD]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        held = Path(process.stdout.readline().strip())
        with scratch_folder("test") as mine, scratch_folder("other"):
            # That of a living process stays.
            assert (held / "rows").exists()
            assert mine.exists()
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert (held / "rows").exists()
        with scratch_folder("other"):
            assert held.exists()
        with scratch_folder("test"):
            assert not held.exists()
    assert list(temporary.iterdir()) == []
