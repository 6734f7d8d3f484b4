"""The cache on disk: entries that are whole or absent, made once and shared by processes."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path

from rankgen.manifests.atomic import fsync_directory, write_whole
from rankgen.manifests.digest import canonical_json
from rankgen.manifests.errors import IntegrityProblem

CACHE_VARIABLE = "RANKGEN_CACHE"
_STAMP = "index.json"


def cache_root() -> Path:
    """Returns the folder that RANKGEN_CACHE names, else ~/.cache/rankgen."""
    named = os.environ.get(CACHE_VARIABLE)
    return Path(named) if named else Path.home() / ".cache" / "rankgen"


def cached_folder(entry: Path, build: Callable[[Path], None]) -> Path:
    """Returns `entry`, built first if it is absent.

    Each builder works in a draft folder of its own, which is renamed to `entry` when it is
    complete; of several processes that build at once, one rename wins and all use its folder.

    Args:
        entry: The folder of the finished entry; its name tells everything it depends on.
        build: Fills the empty draft folder that it is given.
    """
    if entry.is_dir():
        return entry
    entry.parent.mkdir(parents=True, exist_ok=True)
    _remove_drafts_of_the_dead(entry.parent)
    draft = entry.parent / f".draft.{socket.gethostname()}.{os.getpid()}.{uuid.uuid4().hex}"
    draft.mkdir()
    try:
        build(draft)
        try:
            draft.rename(entry)
        except OSError:
            # A folder that is not empty cannot be replaced: another process was faster.
            if not entry.is_dir():
                raise
        fsync_directory(entry.parent)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return entry


def write_stamp(draft: Path, stamp: Mapping[str, object]) -> None:
    """Writes into an index that is being built what it is made of."""
    write_whole(draft / _STAMP, canonical_json(stamp).encode())


def check_stamp(entry: Path, stamp: Mapping[str, object]) -> None:
    """Checks that a cached index says it is made of this.

    Raises:
        IntegrityProblem: It says something else, or nothing.
    """
    try:
        found = (entry / _STAMP).read_text(encoding="utf-8")
    except FileNotFoundError:
        found = ""
    if found != canonical_json(stamp):
        raise IntegrityProblem(
            f"the cached index {entry} is damaged or another corpus's", f"remove it: rm -r {entry}"
        )


def _remove_drafts_of_the_dead(folder: Path) -> None:
    """Removes what killed builders of this machine left behind."""
    for draft in folder.glob(f".draft.{socket.gethostname()}.*.*"):
        process = int(draft.name.split(".")[-2])
        # Another user's process is alive too: PermissionError.
        with contextlib.suppress(PermissionError):
            try:
                os.kill(process, 0)
            except ProcessLookupError:
                shutil.rmtree(draft, ignore_errors=True)
