"""A growing log in a store that cannot append: every batch of lines is an object of its own."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from rankgen.manifests.storage.atomic import write_whole


class Segments:
    """A log in segments of a few seconds each, uploaded by a thread so that no writer waits.

    Args:
        path_of: Returns the path of a segment from its number, which counts from 0.
        seconds: How long the first line of a segment waits for others.
    """

    def __init__(self, path_of: Callable[[int], Path], seconds: float) -> None:
        self._path_of = path_of
        self._seconds = seconds
        self._written = 0
        self._lock = threading.Lock()
        self._waiting: list[bytes] = []
        self._hurry = threading.Event()
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._uploads: deque[Future[None]] = deque()

    def append(self, line: bytes) -> None:
        """Adds a line; raises the error of an earlier segment's upload, if it failed."""
        with self._lock:
            self._waiting.append(line)
            if len(self._waiting) == 1:
                self._uploads.append(self._thread.submit(self._write))
        while self._uploads and self._uploads[0].done():
            self._uploads.popleft().result()

    def flush(self) -> None:
        """Waits until all lines are in the store; raises the error of an upload that failed."""
        self._hurry.set()
        try:
            while self._uploads:
                self._uploads.popleft().result()
        finally:
            self._hurry.clear()

    def close(self) -> None:
        """Uploads the lines left and ends the thread; raises the error of a failed upload."""
        self._hurry.set()
        self._thread.shutdown()
        while self._uploads:
            self._uploads.popleft().result()

    def _write(self) -> None:
        self._hurry.wait(self._seconds)
        with self._lock:
            lines, self._waiting = self._waiting, []
        number, self._written = self._written, self._written + 1
        write_whole(self._path_of(number), b"".join(lines))
