"""A temporary folder that the next process removes if this one is killed.

A kill runs no code, and what an import sorts on disk takes gigabytes. The owner of a folder holds a
lock of a file in it, which ends with the process: whoever gets the lock may remove the folder.
"""

from __future__ import annotations

import contextlib
import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

_LOCK = "owner.lock"


@contextlib.contextmanager
def scratch_folder(kind: str) -> Iterator[Path]:
    """Yields an empty folder where TMPDIR says, and removes it after the block.

    Folders of the same kind that killed processes left are removed first.

    Args:
        kind: What it is for, in a word.
    """
    prefix = f"rankgen-{kind}-"
    for left in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        _remove_if_abandoned(left)
    with (
        tempfile.TemporaryDirectory(prefix=prefix) as name,
        (Path(name) / _LOCK).open("wb") as lock,
    ):
        fcntl.flock(lock, fcntl.LOCK_EX)
        inside = Path(name) / "files"
        inside.mkdir()
        yield inside


def _remove_if_abandoned(folder: Path) -> None:
    # Another user's folder, or one that is just being made or removed.
    with contextlib.suppress(OSError), (folder / _LOCK).open("rb+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Its owner may not have got as far as this between making and locking it.
        if (folder / "files").is_dir():
            shutil.rmtree(folder, ignore_errors=True)
