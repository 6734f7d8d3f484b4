"""Progress on standard error: a bar on a terminal, JSON lines elsewhere."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Iterator
from typing import Protocol

JSON_LINE_SECONDS = 10.0


class Progress(Protocol):
    """The object a long task reports to."""

    def advance(self, steps: int = 1) -> None:
        """Reports that `steps` more of the total are done."""

    def note(self, text: str) -> None:
        """Shows `text`, such as a loss or a rate, beside the progress."""


@contextlib.contextmanager
def progress(what: str, total: int | None, done: int = 0) -> Iterator[Progress]:
    """Shows the progress of one long task while the block runs.

    Args:
        what: The task in a few words, such as "label" or "index vaswani".
        total: The number of steps; None when it is unknown.
        done: Steps done by an earlier run; they count in the bar but not in the rate.
    """
    if sys.stderr.isatty() and "NO_COLOR" not in os.environ:
        with _bar(what, total, done) as shown:
            yield shown
    else:
        lines = _JsonLines(what, total, done)
        try:
            yield lines
        finally:
            lines.close()


class _JsonLines:
    def __init__(self, what: str, total: int | None, done: int) -> None:
        self._what, self._total, self._done = what, total, done
        self._began_with, self._began = done, time.monotonic()
        self._written = self._began
        self._note = ""
        self._shown = -1

    def advance(self, steps: int = 1) -> None:
        self._done += steps
        if time.monotonic() - self._written >= JSON_LINE_SECONDS:
            self.write()

    def note(self, text: str) -> None:
        self._note = text

    def close(self) -> None:
        if self._done != self._shown:
            self.write()

    def write(self) -> None:
        self._shown = self._done
        self._written = time.monotonic()
        seconds = self._written - self._began
        rate = (self._done - self._began_with) / seconds if seconds > 0 else 0.0
        line: dict[str, object] = {"task": self._what, "done": self._done, "total": self._total}
        line |= {"seconds": round(seconds, 1), "per_second": round(rate, 3)}
        if self._note:
            line["note"] = self._note
        print(json.dumps(line), file=sys.stderr, flush=True)


@contextlib.contextmanager
def _bar(what: str, total: int | None, done: int) -> Iterator[Progress]:
    from rich import progress as bars
    from rich.console import Console

    columns = (
        bars.TextColumn("{task.description:<28}"),
        bars.BarColumn(),
        bars.MofNCompleteColumn(),
        bars.TimeElapsedColumn(),
        bars.TimeRemainingColumn(),
        bars.TextColumn("{task.fields[note]}"),
    )
    with bars.Progress(*columns, console=Console(stderr=True)) as rich_progress:
        task = rich_progress.add_task(what, total=total, completed=done, note="")

        class _Bar:
            def advance(self, steps: int = 1) -> None:
                rich_progress.advance(task, steps)

            def note(self, text: str) -> None:
                rich_progress.update(task, note=text)

        yield _Bar()
