"""Ctrl-C: the first lets running shards finish and commits them, the second stops at once."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType


class StopRequest:
    """Whether the job has been asked to stop after the running shards."""

    def __init__(self) -> None:
        self.requested = False

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Handles SIGINT and SIGTERM."""
        del number, frame
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
        print(
            "stopping after the shards in flight; press Ctrl-C again to stop now", file=sys.stderr
        )


@contextlib.contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """Installs the handlers while the block runs; does nothing outside the main thread."""
    stop = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {n: signal.signal(n, stop.handle) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
