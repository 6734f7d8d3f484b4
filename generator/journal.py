"""The window journal: answers are kept as they come, so that a kill costs only what is in flight.

One folder a shard, one append-only file a writer, one JSON line a window: its key, its result and a
checksum. A line that a kill tore off at the end of a file is ignored; any other damaged line is an
integrity problem, for the data after it cannot be trusted either.
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

from rankgen.generator.outcomes import TokenUsage, WindowOutcome, WindowResult
from rankgen.manifests.errors import IntegrityProblem

SYNC_SECONDS = 0.5


class WindowJournal:
    """The journal of one shard, as one process reads and writes it.

    Args:
        folder: The shard's folder; all files of earlier writers in it are replayed.

    Raises:
        IntegrityProblem: A line other than a torn last one is damaged.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._known: dict[str, WindowResult] = {}
        for path in sorted(folder.glob("*.jsonl")):
            self._known |= dict(_read(path))
        writer = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}.jsonl"
        # Unbuffered: what was appended outlives this process, fsync or not.
        self._file = (folder / writer).open("ab", buffering=0)
        self._synced = time.monotonic()

    def find(self, key: str) -> WindowResult | None:
        """Returns the result that is journalled under `key`."""
        return self._known.get(key)

    def append(self, key: str, result: WindowResult) -> None:
        """Adds a result; forces the file to the disk every half a second at most."""
        self._known[key] = result
        body = json.dumps({"key": key, **asdict(result)}, ensure_ascii=True)
        self._file.write(f"{zlib.crc32(body.encode()):08x} {body}\n".encode())
        if time.monotonic() - self._synced >= SYNC_SECONDS:
            os.fsync(self._file.fileno())
            self._synced = time.monotonic()

    def close(self) -> None:
        """Forces the file to the disk and closes it."""
        os.fsync(self._file.fileno())
        self._file.close()


def journalled_windows(folder: Path) -> int:
    """Returns the number of whole lines in a shard's journal, over all writers."""
    return sum(1 for path in folder.glob("*.jsonl") for _ in _read(path))


def _read(path: Path) -> Iterator[tuple[str, WindowResult]]:
    lines = path.read_bytes().split(b"\n")
    torn = lines.pop()  # Empty when the last line is whole.
    del torn
    for number, line in enumerate(lines, start=1):
        checksum, _, body = line.partition(b" ")
        if checksum != f"{zlib.crc32(body):08x}".encode():
            raise IntegrityProblem(
                f"{path} line {number} is damaged",
                f"remove {path}; the windows in it are then asked for again",
            )
        yield _parsed(json.loads(body))


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
