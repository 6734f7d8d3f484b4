"""The window journal: stores answers as they arrive, so that a kill loses only those in flight.

Each shard has a folder and each window a JSON line with its key, its result and a checksum. On a
disk every writer has one append-only file; an object store cannot append, so there every batch of
lines is an object. A damaged line, such as one cut off by a kill, is skipped and counted, and its
window is asked again. The journal never stops a run.

Failed calls have lines too: they cost money, so they must survive a dead worker, a deferred shard
and a stopped run. They are never replayed as answers. The window is asked again, and the rows of
its query list all its calls.
"""

from __future__ import annotations

import json
import os
import socket
import time
import uuid
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import NamedTuple, Protocol

from rankgen.generator.answers.outcomes import (
    NO_TOKENS,
    FailedCall,
    TokenUsage,
    WindowOutcome,
    WindowResult,
)
from rankgen.manifests.storage.atomic import make_folder, read_files, write_all
from rankgen.manifests.storage.object_store import is_remote
from rankgen.manifests.storage.segments import Segments

SYNC_SECONDS = 0.5


class WindowJournal:
    """The journal of one shard, for one process.

    Args:
        folder: The shard's folder; the files of earlier writers in it are replayed.

    Attributes:
        damaged: Number of complete lines that could not be read; their windows are asked again.
    """

    def __init__(self, folder: Path) -> None:
        self._known: dict[str, WindowResult] = {}
        self._failed: defaultdict[str, list[FailedCall]] = defaultdict(list)
        self.damaged = 0
        for entry in _in_order_of_calls(_read(folder)):
            if entry is None:
                self.damaged += 1
            elif isinstance(entry.found, FailedCall):
                self._failed[entry.key].append(entry.found)
            else:
                self._known[entry.key] = entry.found
        writer = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self._lines: _Lines
        if is_remote(folder):
            self._lines = Segments(lambda n: folder / f"{writer}-{n:06d}.jsonl", SYNC_SECONDS)
        else:
            self._lines = _AppendedFile(folder / f"{writer}.jsonl")

    def find(self, key: str) -> WindowResult | None:
        """Returns the result that is stored under `key`."""
        return self._known.get(key)

    def failed(self, key: str) -> tuple[FailedCall, ...]:
        """Returns the failed calls that are stored under `key`, in the order of the calls."""
        return tuple(self._failed.get(key, ()))

    def append(self, key: str, result: WindowResult) -> None:
        """Appends a window's calls, failed ones first.

        Syncs the file, or uploads, at most every half second.
        """
        for call in result.failed:
            self.append_failed(key, call)
        self._known[key] = result = replace(result, failed=()) if result.failed else result
        # `asdict` would copy every part of it, one by one.
        values = {**vars(result), "usage": vars(result.usage)}
        del values["failed"]
        if result.scores is None:
            del values["scores"]
        if not result.are_relative:
            del values["are_relative"]
        if result.asked is None:
            del values["asked"]
        self._append({"key": key, **values})

    def append_failed(self, key: str, call: FailedCall) -> None:
        """Appends a failed call."""
        self._failed[key].append(call)
        self._append({"key": key, "attempt": len(self._failed[key]), "failed": asdict(call)})

    def _append(self, values: dict[str, object]) -> None:
        body = json.dumps(values, ensure_ascii=True)
        self._lines.append(f"{zlib.crc32(body.encode()):08x} {body}\n".encode())

    def close(self) -> None:
        """Syncs or uploads everything that was appended."""
        self._lines.close()


class _Lines(Protocol):
    def append(self, line: bytes) -> None: ...

    def close(self) -> None: ...


class _AppendedFile:
    def __init__(self, path: Path) -> None:
        make_folder(path.parent)
        # Unbuffered, so that lines survive this process even before fsync.
        self._file = path.open("ab", buffering=0)
        self._synced = time.monotonic()
        self._syncing: Future[None] | None = None

    def append(self, line: bytes) -> None:
        write_all(self._file, line)
        is_syncing = self._syncing is not None and not self._syncing.done()
        if not is_syncing and time.monotonic() - self._synced >= SYNC_SECONDS:
            self._raise_failure()
            # In a thread: a disk may take long, and all chains would wait for it.
            self._syncing = _syncer().submit(os.fsync, self._file.fileno())
            self._synced = time.monotonic()

    def close(self) -> None:
        try:
            self._raise_failure()
            os.fsync(self._file.fileno())
        finally:
            self._file.close()

    def _raise_failure(self) -> None:
        """Waits for the last sync and raises its error."""
        if self._syncing is not None:
            self._syncing.result()


@cache
def _syncer() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, "journal")


class _Entry(NamedTuple):
    """A complete line; `attempt` counts the failed calls of its window, from 1."""

    key: str
    attempt: int
    found: WindowResult | FailedCall


def journalled_windows(folder: Path) -> int:
    """Returns the number of windows in a shard's journal, over all writers."""
    entries = [entry for entry in _read(folder) if entry is not None]
    return sum(isinstance(entry.found, WindowResult) for entry in entries)


def journalled_calls(folder: Path) -> tuple[int, TokenUsage]:
    """Returns the windows in a shard's journal and the tokens of all calls for them."""
    windows, tokens = 0, NO_TOKENS
    for entry in _read(folder):
        if entry is not None:
            windows += isinstance(entry.found, WindowResult)
            tokens += entry.found.usage
    return windows, tokens


def _in_order_of_calls(entries: Iterable[_Entry | None]) -> list[_Entry | None]:
    """Sorts the lines of several writers, whose files are not in order of time."""
    return sorted(entries, key=lambda entry: 0 if entry is None else entry.attempt)


def _read(folder: Path) -> Iterator[_Entry | None]:
    """Yields the lines of all writers; None for a damaged line."""
    paths = sorted(folder.glob("*.jsonl"))
    for content in read_files(paths):
        # After the last line break follows nothing, or a line cut off by a kill.
        for line in content.split(b"\n")[:-1]:
            yield _entry(line)


def _entry(line: bytes) -> _Entry | None:
    checksum, _, body = line.partition(b" ")
    if checksum != f"{zlib.crc32(body):08x}".encode():
        return None
    try:
        values = json.loads(body)
        key = str(values.pop("key"))
        if "failed" in values:
            return _Entry(key, int(values["attempt"]), _failed_call(values["failed"]))
        return _Entry(key, 0, _result(values))
    except (KeyError, TypeError, ValueError):
        # Another version of rankgen wrote it.
        return None


def _result(values: dict[str, object]) -> WindowResult:
    usage, permutation, outcome = (values.pop(x) for x in ("usage", "permutation", "outcome"))
    # Lines of teachers that order alone have none.
    scores = values.pop("scores", None)
    assert isinstance(usage, dict)
    assert isinstance(permutation, list)
    assert scores is None or isinstance(scores, list)
    return WindowResult(
        permutation=tuple(permutation),
        outcome=WindowOutcome(str(outcome)),
        usage=TokenUsage(**usage),
        scores=None if scores is None else tuple(scores),
        **values,  # type: ignore[arg-type]  # the checksum vouches for the counts' types
    )


def _failed_call(values: dict[str, object]) -> FailedCall:
    usage, outcome = values.pop("usage"), values.pop("outcome")
    assert isinstance(usage, dict)
    return FailedCall(
        outcome=WindowOutcome(str(outcome)),
        usage=TokenUsage(**usage),
        **values,  # type: ignore[arg-type]  # the checksum vouches here too
    )
