"""A system that is measured in a process of its own, told over its standard input what to do."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Callable, Sequence


class Apart:
    """A process that works when it is told to, and says how long that took.

    In one process, one system's threads and its settings of the allocator would be the others' too.

    Args:
        command: Starts a process that calls `serve`.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        # It has loaded its system, which would disturb the others.
        self._answer()

    def seconds(self, work: str) -> float:
        """Has a line of work done and returns the wall-clock seconds that it took.

        Raises:
            RuntimeError: The process ended.
        """
        assert self._process.stdin is not None
        self._process.stdin.write(f"{work}\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> float:
        assert self._process.stdout is not None
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"{self._process.args} ended with {self._process.wait()}")
        return float(answer)

    def end(self) -> None:
        """Ends the process."""
        self._process.communicate()


def serve(works: Callable[[str], object]) -> None:
    """Says that it is ready, then does each line of standard input and answers how long it took."""
    print(0.0, flush=True)
    for line in sys.stdin:
        began = time.perf_counter()
        # What a library prints is no answer.
        with contextlib.redirect_stdout(sys.stderr):
            works(line.strip())
        print(time.perf_counter() - began, flush=True)
