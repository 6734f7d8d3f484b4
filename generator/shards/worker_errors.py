"""What a worker's exception means to the driver: a sentence of ours, or a surprise."""

from __future__ import annotations

from rankgen.manifests.errors import IncompleteRun, RankgenError, last_line


def own_error(error: Exception) -> RankgenError | None:
    """Returns the error that the worker raised on purpose, if it is one."""
    cause = getattr(error, "cause", None)
    return cause if isinstance(cause, RankgenError) else None


def surprise(what: str, error: Exception) -> IncompleteRun:
    """Returns the error that stands for an exception nobody expected."""
    return IncompleteRun(
        f"{what}: {last_line(error)}",
        "repeat the command to resume, with --debug to see the traceback",
    )


def unforeseen(error: Exception) -> str:
    """Returns the reason that stands for an exception of one query."""
    return f"unexpected {type(error).__name__}: {last_line(error)}"
