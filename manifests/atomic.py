"""File writes that are whole or absent: temporary file, fsync, then one atomic step."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside `path`; on success it is fsynced and takes its place.

    When the block raises, the temporary file is removed and `path` is as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = _draft_of(path)
    try:
        yield draft
        fsync_file(draft)
        os.replace(draft, path)
        fsync_directory(path.parent)
    finally:
        draft.unlink(missing_ok=True)


def write_whole(path: Path, content: bytes) -> None:
    """Replaces `path` by `content`; a reader sees the old bytes or the new, never a part."""
    with whole_file(path) as draft:
        draft.write_bytes(content)


def put_if_absent(path: Path, content: bytes) -> bool:
    """Creates `path` with `content` unless it exists; of any number of racers one wins.

    Returns:
        True if this call created the file, False if it was there already.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = _draft_of(path)
    try:
        draft.write_bytes(content)
        fsync_file(draft)
        try:
            os.link(draft, path)
        except FileExistsError:
            return False
        fsync_directory(path.parent)
        return True
    finally:
        draft.unlink(missing_ok=True)


def fsync_file(path: Path) -> None:
    """Forces the file's bytes to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def fsync_directory(path: Path) -> None:
    """Forces the directory's entries to the disk, where the file system can."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        # Some network file systems refuse to sync a directory; the rename is then as safe as
        # they make it.
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _draft_of(path: Path) -> Path:
    return path.with_name(f".{path.name}.{uuid.uuid4().hex}.draft")
