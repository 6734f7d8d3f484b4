"""Claims of shards, so that several drivers can share a run without doing work twice.

A claim is advice, not a lock: the commit record decides what is published. A lost or broken claim
costs some duplicate work but never gives a wrong result. Any driver may take over the claims of a
driver that died or left, once its workers are gone too: they outlive it by a second or two, and
write on in the shard's journal.
"""

from __future__ import annotations

import time
from enum import Enum
from pathlib import Path

from rankgen.generator.shards.drivers import is_at_work
from rankgen.generator.shards.work import ShardTask
from rankgen.manifests.run.driver_names import driver_name, runs_here
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.storage.atomic import file_exists, put_if_absent, write_whole
from rankgen.manifests.storage.object_store import is_remote

# How long an answer about another driver is cached.
BELIEVED_SECONDS = 5.0
# A process that wrote to a journal so long ago is another one by now, or hangs.
WRITING_SECONDS = 10.0


class Claim(Enum):
    """The result of a claim: the shard is ours, a living driver's, or already committed."""

    OURS = "ours"
    THEIRS = "theirs"
    COMMITTED = "committed"


class Claims:
    """The claims of this driver on one run."""

    def __init__(self, run: RunDirectory) -> None:
        self._run = run
        self._mine = driver_name()
        self._seen: dict[str, tuple[float, bool]] = {}

    def claim(self, task: ShardTask) -> Claim:
        """Claims the shard of a task."""
        if file_exists(self._run.record_path(task.shard, task.revision)):
            return Claim.COMMITTED
        path = self._run.claims / f"{task.shard:05d}"
        if put_if_absent(path, self._mine.encode()):
            return Claim.OURS
        holder = _holder(path)
        if holder == self._mine:
            return Claim.OURS
        if self._is_at_work(holder) or _is_written(self._run.journal_of(task.shard)):
            return Claim.THEIRS
        # If several drivers take over at the same moment, the last to write wins.
        write_whole(path, self._mine.encode())
        return Claim.OURS if _holder(path) == self._mine else Claim.THEIRS

    def _is_at_work(self, driver: str) -> bool:
        now = time.monotonic()
        looked, found = self._seen.get(driver, (-BELIEVED_SECONDS, False))
        if now - looked >= BELIEVED_SECONDS:
            looked, found = now, is_at_work(self._run, driver)
            self._seen[driver] = looked, found
        return found


def _holder(path: Path) -> str:
    try:
        return path.read_bytes().decode(errors="replace")
    except FileNotFoundError:
        # The run has finished, and its claims were removed.
        return ""


def _is_written(journal: Path) -> bool:
    """Says whether a process of this machine is still at a shard's journal."""
    # Its files are named by their writers: host, process and a random part. A store's cannot say.
    files = [] if is_remote(journal) else journal.glob("*.jsonl")
    writers = ((file, file.stem.rpartition("-")[0]) for file in files)
    return any(runs_here(writer) is True and _is_fresh(file) for file, writer in writers)


def _is_fresh(file: Path) -> bool:
    try:
        return time.time() - file.stat().st_mtime < WRITING_SECONDS
    except FileNotFoundError:
        # Its shard has been committed meanwhile.
        return False
