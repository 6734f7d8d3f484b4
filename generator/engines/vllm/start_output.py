"""Reads back the output of an engine that failed to start.

A Ray worker's stdout and stderr are files that its child processes share. They contain the cause of
a failure, while the exception only says that a child has ended.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass

_ERROR = re.compile(r"^(?:[\w.]*\.)?[A-Z]\w*(?:Error|Exception|Interrupt|Exit)\b: *(.*\S)")
# vLLM and Ray put the process, the level, the time and the place before a line.
_PREFIX = re.compile(r"^(?:\([^()]*\)\s*)?(?:[A-Z]+ \d\d-\d\d [\d:]+ \[[^\]]*\]\s?)?")
# Reports of the parent about its child, which do not name the cause.
_NO_CAUSE = ("Engine core initialization failed", "WorkerProc initialization failed", "cancelled")
_LONGEST = 300


@dataclass(frozen=True)
class StartOutput:
    """The position in this process's output at which an engine's start began.

    Attributes:
        marks: File descriptor -> size of its file in bytes; regular files only.
    """

    marks: dict[int, int]

    @staticmethod
    def begin() -> StartOutput:
        """Marks the current end of stdout and stderr."""
        sizes = {number: os.fstat(number) for number in (1, 2)}
        return StartOutput({n: s.st_size for n, s in sizes.items() if stat.S_ISREG(s.st_mode)})

    def cause(self) -> str | None:
        """Returns the last error written since the start; None if there was none."""
        for number, mark in sorted(self.marks.items(), reverse=True):
            found = last_error(_since(number, mark))
            if found is not None:
                return found
        return None

    def file(self) -> str | None:
        """Returns the log that contains the cause; None if the output is not a file."""
        numbers = [n for n, mark in self.marks.items() if last_error(_since(n, mark)) is not None]
        for number in sorted(numbers or self.marks, reverse=True):
            path = _path(number)
            if path is not None:
                return path
        return None


def last_error(text: str) -> str | None:
    """Returns the last line of the form "SomeError: why"; None without such a line.

    Skips what an engine's parent reports about the end of its child.
    """
    for line in reversed(text.splitlines()):
        bare = _PREFIX.sub("", line.strip())
        if _ERROR.match(bare) and not any(phrase in bare for phrase in _NO_CAUSE):
            return bare[:_LONGEST]
    return None


def _since(number: int, mark: int) -> str:
    try:
        with open(f"/dev/fd/{number}", "rb") as file:
            file.seek(mark)
            return file.read().decode("utf-8", "replace")
    except OSError:
        return ""


def _path(number: int) -> str | None:
    try:
        path = os.readlink(f"/proc/self/fd/{number}")
    except OSError:
        return None
    return path if os.path.isfile(path) else None
