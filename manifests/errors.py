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
        exit_code: The process's exit status: 2 usage, 3 environment, 4 incomplete but resumable,
            5 integrity.
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


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Returns a hint that names the nearest known names, or all of them when none is near."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=2, cutoff=0.6)
    if near:
        return "did you mean " + " or ".join(f"'{n}'" for n in near) + "?"
    return "known: " + ", ".join(names)
