"""The window journal: answers are kept as they come, so that a kill costs only what is in flight.

One folder a shard, one JSON line a window: its key, its result and a checksum. On a disk there is
one append-only file a writer; an object store cannot append, so there every batch of lines is an
object of its own. A damaged line, such as one that a kill tore off, is skipped and counted: every
line has its own checksum, and a window that is not found is asked for again. A cache never stops a
run.
"""

from __future__ import annotations

import json
import os
import socket
import time
import uuid
import zlib
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Protocol

from rankgen.generator.outcomes import TokenUsage, WindowOutcome, WindowResult
from rankgen.manifests.atomic import make_folder, read_files, write_all
from rankgen.manifests.object_store import is_remote
from rankgen.manifests.segments import Segments

SYNC_SECONDS = 0.5


class WindowJournal:
    """The journal of one shard, as one process reads and writes it.

    Args:
        folder: The shard's folder; all files of earlier writers in it are replayed.

    Attributes:
        damaged: Whole lines that could not be read; their windows are asked for again.
    """

    def __init__(self, folder: Path) -> None:
        self._known: dict[str, WindowResult] = {}
        self.damaged = 0
        for entry in _read(folder):
            if entry is None:
                self.damaged += 1
            else:
                self._known[entry[0]] = entry[1]
        writer = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self._lines: _Lines
        if is_remote(folder):
            self._lines = Segments(lambda n: folder / f"{writer}-{n:06d}.jsonl", SYNC_SECONDS)
        else:
            self._lines = _AppendedFile(folder / f"{writer}.jsonl")

    def find(self, key: str) -> WindowResult | None:
        """Returns the result that is journalled under `key`."""
        return self._known.get(key)

    def append(self, key: str, result: WindowResult) -> None:
        """Adds a result; forces the file to the disk, or uploads, every half a second at most."""
        self._known[key] = result
        body = json.dumps({"key": key, **asdict(result)}, ensure_ascii=True)
        self._lines.append(f"{zlib.crc32(body.encode()):08x} {body}\n".encode())

    def close(self) -> None:
        """Makes all that was appended safe."""
        self._lines.close()


class _Lines(Protocol):
    def append(self, line: bytes) -> None: ...

    def close(self) -> None: ...


class _AppendedFile:
    """A local file, forced to the disk every half a second at most."""

    def __init__(self, path: Path) -> None:
        make_folder(path.parent)
        # Unbuffered: what was appended outlives this process, fsync or not.
        self._file = path.open("ab", buffering=0)
        self._synced = time.monotonic()

    def append(self, line: bytes) -> None:
        write_all(self._file, line)
        if time.monotonic() - self._synced >= SYNC_SECONDS:
            os.fsync(self._file.fileno())
            self._synced = time.monotonic()

    def close(self) -> None:
        os.fsync(self._file.fileno())
        self._file.close()


def journalled_windows(folder: Path) -> int:
    """Returns the number of whole lines in a shard's journal, over all writers."""
    return sum(entry is not None for entry in _read(folder))


def _read(folder: Path) -> Iterator[tuple[str, WindowResult] | None]:
    """Yields the lines of all writers; None for one that is damaged."""
    paths = sorted(folder.glob("*.jsonl"))
    for content in read_files(paths):
        # After the last line break stands nothing, or a line that a kill tore off.
        for line in content.split(b"\n")[:-1]:
            yield _entry(line)


def _entry(line: bytes) -> tuple[str, WindowResult] | None:
    checksum, _, body = line.partition(b" ")
    if checksum != f"{zlib.crc32(body):08x}".encode():
        return None
    return _parsed(json.loads(body))


def _parsed(values: dict[str, object]) -> tuple[str, WindowResult]:
    usage, permutation = values.pop("usage"), values.pop("permutation")
    key, outcome = values.pop("key"), values.pop("outcome")
    assert isinstance(usage, dict)
    assert isinstance(permutation, list)
    result = WindowResult(
        permutation=tuple(permutation),
        outcome=WindowOutcome(str(outcome)),
        usage=TokenUsage(**usage),
        **values,  # type: ignore[arg-type]  # the checksum vouches for the counts' types
    )
    return str(key), result
