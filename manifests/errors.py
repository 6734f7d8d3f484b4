"""The one error tree: what happened to which object, and the command that mends it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class RankgenError(Exception):
    """An error shown to the user as one sentence, without a traceback.

    Args:
        message: What happened, to which object, and why; one sentence without a final full stop.
        hint: What to type or change to mend it.

    Attributes:
        exit_code: The process's exit status: 1 a fault of ours, 2 usage, 3 environment,
            4 incomplete but resumable, 5 integrity.
    """

    exit_code: int = 2

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __reduce__(self) -> tuple[type[RankgenError], tuple[str, str | None]]:
        """Keeps the hint when the error crosses a process boundary."""
        return type(self), (self.message, self.hint)


class UsageError(RankgenError):
    """A command, a recipe or an input file is wrong."""

    exit_code = 2


class EnvironmentProblem(RankgenError):
    """This machine lacks something: a package, a JVM, a GPU, a server, space on disk."""

    exit_code = 3


class IncompleteRun(RankgenError):
    """Some of the work is not done; running the same command again resumes it."""

    exit_code = 4


class IntegrityProblem(RankgenError):
    """What is on disk is not what was committed."""

    exit_code = 5


class UnexpectedFault(RankgenError):
    """An exception that nobody foresaw: a fault of ours."""

    exit_code = 1


def last_line(error: BaseException) -> str:
    """Returns the last line of what an exception says, where a traceback may stand above it."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[-1].strip() if lines else type(error).__name__


def reason_of(error: BaseException) -> str:
    """Returns what an exception of a library says, as the end of one sentence of ours.

    That is the first line with anything on it, of 300 characters at most and without a full stop;
    of an exception without a message its class, of a system call's what the system says, and of
    one that carries objects beside its sentence the sentence alone, as ir_datasets raises them.
    """
    said = getattr(error, "strerror", None) or str(error)
    if len(error.args) > 1 and type(error).__str__ is BaseException.__str__:
        said = error.args[0]
    lines = [" ".join(line.split()) for line in str(said).splitlines() if line.strip()]
    line = lines[0] if lines else type(error).__name__
    return (line if len(line) <= 300 else line[:297] + "...").rstrip(" .:")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Returns a hint that names the nearest known names, or all of them when none is near."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=2, cutoff=0.6)
    if near:
        return "did you mean " + " or ".join(f"'{n}'" for n in near) + "?"
    return "known: " + ", ".join(names)
