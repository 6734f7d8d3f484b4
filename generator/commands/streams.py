"""Standard output and error of the `rankgen` command: any encoding, and readers that leave early.

Results are printed in many places, three libraries among them. `| head` closes the pipe that they
write into, and each would end with a message and an exit code of its own; so the file itself
ends the command, as SIGPIPE ends other tools. Python ignores that signal, and must: it would also
kill a command whose server closes a connection. Progress is no result: days of work go on when
nothing reads standard error any more.
"""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, TextIO

from rankgen.generator.commands.plain_signs import error_handler
from rankgen.generator.commands.reporting import report_error
from rankgen.manifests.errors import EnvironmentProblem, reason_of

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

# What a shell shows as the exit code of a tool that SIGPIPE ended.
READER_GONE = 128 + signal.SIGPIPE


@contextlib.contextmanager
def standard_streams() -> Iterator[None]:
    """Prepares standard output and error for the rest of the process, and writes all at the end.

    A character that the encoding of standard output lacks is replaced, the rules of tables by
    plain ones: a result is printed when the work is done, and failing then would call finished work
    a failure.

    Raises:
        SystemExit: With `READER_GONE`, if what reads standard output is gone; with 3, if it cannot
            be written for another reason, such as a full disk.
    """
    sys.stdout = _watched(sys.stdout, _Results)
    sys.stderr = _watched(sys.stderr, _Progress)
    try:
        yield
    finally:
        _write_the_rest()


class _Watched(io.FileIO):
    """A file whose first failed write is the last: what follows, also at exit, goes nowhere."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, "w", closefd=False)

    def _write_nowhere(self) -> None:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, self.fileno())
        os.close(null)


class _Results(_Watched):
    """Standard output."""

    def write(self, content: ReadableBuffer, /) -> int:
        """Writes as `FileIO.write` does; ends the command if nobody reads it any more."""
        try:
            return super().write(content)
        except BrokenPipeError:
            self._write_nowhere()
            if threading.current_thread() is threading.main_thread():
                raise SystemExit(READER_GONE) from None
            # The main thread notices by itself, when it prints.
            return memoryview(content).nbytes
        except OSError as error:
            self._write_nowhere()
            error.filename = "standard output"
            raise


class _Progress(_Watched):
    """Standard error."""

    def write(self, content: ReadableBuffer, /) -> int:
        """Writes as `FileIO.write` does, or nothing where that fails."""
        try:
            return super().write(content)
        except OSError:
            self._write_nowhere()
            return memoryview(content).nbytes


def _watched(stream: TextIO, kind: type[_Watched]) -> TextIO:
    """Returns a stream that writes to the same file; one without a file is returned as it is."""
    # None where the shell has closed it; something else where another program runs this one.
    if type(stream) is not io.TextIOWrapper:
        return stream
    try:
        file = kind(stream.fileno())
    except OSError:
        return stream
    return io.TextIOWrapper(
        # With python -u there is no buffer.
        file if isinstance(stream.buffer, io.FileIO) else io.BufferedWriter(file),
        encoding=stream.encoding,
        errors=error_handler(stream.errors),
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


def _write_the_rest() -> None:
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
    except OSError as error:
        problem = EnvironmentProblem(
            f"{error.filename} cannot be written: {reason_of(error)}",
            "free space or name another file for it, then repeat the command",
        )
        raise SystemExit(report_error(problem)) from None
