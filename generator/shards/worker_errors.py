"""Turns a worker's exception into an error for the user."""

from __future__ import annotations

from rankgen.manifests.errors import IncompleteRun, RankgenError, last_line


def own_error(error: Exception) -> RankgenError | None:
    """Returns the `RankgenError` that the worker raised, if it is one."""
    cause = getattr(error, "cause", None)
    return cause if isinstance(cause, RankgenError) else None


def surprise(what: str, error: Exception) -> IncompleteRun:
    """Returns the error for an unexpected exception."""
    return IncompleteRun(
        f"{what}: {last_line(error)}",
        "repeat the command to resume, with --debug to see the traceback",
    )


def unforeseen(error: Exception) -> str:
    """Returns the reason for a query that failed with an unexpected exception."""
    return f"unexpected {type(error).__name__}: {last_line(error)}"
