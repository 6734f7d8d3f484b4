"""The cache on disk: each entry is complete or absent, made once and shared by processes."""

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

    Each builder works in its own draft folder, which is renamed to `entry` when it is complete. If
    several processes build at once, the first rename wins and all use its folder.

    Args:
        entry: The folder of the finished entry; its name covers everything it depends on.
        build: Fills the draft folder that it is given.
        resumes: Whether `build` can continue the draft of a builder that was killed, interrupted
            or ran out of memory or disk. Such a draft is kept until another builder takes it over;
            other drafts of dead builders are removed.
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
    """Records in the draft of an index what it is made of."""
    write_whole(draft / _STAMP, canonical_json(stamp).encode())


def check_stamp(entry: Path, stamp: Mapping[str, object]) -> None:
    """Checks that a cached index records the same contents.

    Raises:
        IntegrityProblem: It records other contents, or none.
    """
    try:
        found = (entry / _STAMP).read_text(encoding="utf-8")
    except FileNotFoundError:
        found = ""
    if found != canonical_json(stamp):
        raise IntegrityProblem(
            f"the cached index {entry} is damaged or belongs to another corpus",
            f"remove it: rm -r {entry}",
        )


def _take_up(draft: Path, kind: str) -> bool:
    """Takes over an abandoned draft; of several processes that try, one succeeds."""
    for abandoned in _drafts_of_the_dead(draft.parent, kind):
        with contextlib.suppress(FileNotFoundError):
            abandoned.rename(draft)
            return True
    return False


def _drafts_of_the_dead(folder: Path, kind: str) -> Iterator[Path]:
    """Yields the drafts of builders on this machine that no longer run."""
    for draft in folder.glob(f".{kind}.{socket.gethostname()}.*.*"):
        process = int(draft.name.split(".")[-2])
        # Another user's process is alive too: PermissionError.
        with contextlib.suppress(PermissionError):
            try:
                os.kill(process, 0)
            except ProcessLookupError:
                yield draft
