"""The error tree: what happened to which object, and the command that fixes it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class RankgenError(Exception):
    """An error shown to the user as one sentence, without a traceback.

    Args:
        message: What happened, to which object, and why; one sentence without a final full stop.
        hint: What to type or change to fix it.

    Attributes:
        exit_code: The process's exit status: 1 a bug in rankgen, 2 usage, 3 environment,
            4 incomplete but resumable, 5 integrity.
    """

    exit_code: int = 2

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __reduce__(self) -> tuple[type[RankgenError], tuple[str, str | None]]:
        """Keep the hint when the error crosses a process boundary."""
        return type(self), (self.message, self.hint)


class UsageError(RankgenError):
    """A command, a recipe or an input file is wrong."""

    exit_code = 2


class EnvironmentProblem(RankgenError):
    """This machine lacks something: a package, a JVM, a GPU, a server, space on disk."""

    exit_code = 3


class IncompleteRun(RankgenError):
    """Some of the work is not done; repeating the same command resumes it."""

    exit_code = 4


class IntegrityProblem(RankgenError):
    """Stored files differ from what was committed."""

    exit_code = 5


class UnexpectedFault(RankgenError):
    """An unforeseen exception: a bug in rankgen."""

    exit_code = 1


def last_line(error: BaseException) -> str:
    """Returns the last line of an exception's message, which may begin with a traceback."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[-1].strip() if lines else type(error).__name__


def reason_of(error: BaseException) -> str:
    """Returns a library exception's message in a form that can end one of our own sentences.

    It is the first line that is not blank, at most 300 characters, without a full stop. An
    exception without a message gives its class name, a failed system call the system's own words,
    and one that carries objects after its message, as those of ir_datasets do, the message alone.
    """
    said = getattr(error, "strerror", None) or str(error)
    if len(error.args) > 1 and type(error).__str__ is BaseException.__str__:
        said = error.args[0]
    lines = [" ".join(line.split()) for line in str(said).splitlines() if line.strip()]
    line = lines[0] if lines else type(error).__name__
    return (line if len(line) <= 300 else line[:297] + "...").rstrip(" .:")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Returns a hint with the known names most like `name`, or with all where none is like it."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=2, cutoff=0.6)
    if near:
        return "did you mean " + " or ".join(f"'{n}'" for n in near) + "?"
    return "known: " + ", ".join(names)
