"""Disk errors as environment problems: the disk is full, read-only, not permitted or broken."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from rankgen.manifests.errors import EnvironmentProblem

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_CLOSED = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})
_BROKEN = frozenset({errno.EIO, errno.ESTALE})


@contextlib.contextmanager
def named_storage_faults(folder: Path) -> Iterator[None]:
    """Turns a disk error, which trying again would only meet again, into one sentence.

    It names `folder` where the error itself names no file.

    Raises:
        EnvironmentProblem: The disk under `folder` cannot be used.
    """
    try:
        yield
    except OSError as error:
        if problem := storage_problem(error, folder):
            raise problem from error
        raise


def storage_problem(error: OSError, folder: Path) -> EnvironmentProblem | None:
    """Maps a disk error to an EnvironmentProblem; returns None for others, such as a network's."""
    if error.errno in _FULL:
        hint = "free some space there, then repeat the command to resume"
    elif error.errno in _CLOSED:
        hint = "make it writable for this user, then repeat the command to resume"
    elif error.errno in _BROKEN:
        hint = "repair the disk or its mount, then repeat the command to resume"
    else:
        return None
    where = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else folder
    said = os.strerror(error.errno)
    return EnvironmentProblem(f"{where} cannot be used on {socket.gethostname()}: {said}", hint)
