"""The cache on disk: entries that are whole or absent, made once and shared by processes."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from rankgen.manifests.errors import EnvironmentProblem, IntegrityProblem
from rankgen.manifests.storage.atomic import fsync_directory, write_whole
from rankgen.manifests.storage.digest import canonical_json

CACHE_VARIABLE = "RANKGEN_CACHE"
_STAMP = "index.json"


def cache_root() -> Path:
    """Returns the folder that RANKGEN_CACHE names, else ~/.cache/rankgen."""
    named = os.environ.get(CACHE_VARIABLE)
    return Path(named) if named else Path.home() / ".cache" / "rankgen"


def cached_folder(entry: Path, build: Callable[[Path], None], *, resumes: bool = False) -> Path:
    """Returns `entry`, built first if it is absent.

    Each builder works in a draft folder of its own, which is renamed to `entry` when it is
    complete; of several processes that build at once, one rename wins and all use its folder.

    Args:
        entry: The folder of the finished entry; its name tells everything it depends on.
        build: Fills the draft folder that it is given.
        resumes: `build` can go on with a draft that a builder left who was killed, interrupted or
            short of memory or disk; such a draft stays until it is taken up. Other drafts of the
            dead are removed.
    """
    if entry.is_dir():
        return entry
    entry.parent.mkdir(parents=True, exist_ok=True)
    for abandoned in _drafts_of_the_dead(entry.parent, "draft"):
        shutil.rmtree(abandoned, ignore_errors=True)
    kind = f"resumable-{entry.name}" if resumes else "draft"
    draft = entry.parent / f".{kind}.{socket.gethostname()}.{os.getpid()}.{uuid.uuid4().hex}"
    if not (resumes and _take_up(draft, kind)):
        draft.mkdir()
    is_kept = False
    try:
        build(draft)
        try:
            draft.rename(entry)
        except OSError:
            # A folder that is not empty cannot be replaced: another process was faster.
            if not entry.is_dir():
                raise
        fsync_directory(entry.parent)
    except (KeyboardInterrupt, EnvironmentProblem):
        is_kept = resumes
        raise
    finally:
        if not is_kept:
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


def _take_up(draft: Path, kind: str) -> bool:
    """Makes a draft that was left behind this process's own; of several takers one succeeds."""
    for abandoned in _drafts_of_the_dead(draft.parent, kind):
        with contextlib.suppress(FileNotFoundError):
            abandoned.rename(draft)
            return True
    return False


def _drafts_of_the_dead(folder: Path, kind: str) -> Iterator[Path]:
    """Yields what killed builders of this machine left behind."""
    for draft in folder.glob(f".{kind}.{socket.gethostname()}.*.*"):
        process = int(draft.name.split(".")[-2])
        # Another user's process is alive too: PermissionError.
        with contextlib.suppress(PermissionError):
            try:
                os.kill(process, 0)
            except ProcessLookupError:
                yield draft
