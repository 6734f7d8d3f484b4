"""Why a batch has no answer, in the words that whoever waits for one is told."""

from __future__ import annotations

from collections.abc import Iterable

from rankgen.generator.answers.outcomes import TeacherFailure
from rankgen.generator.engines.batch.lines import Line
from rankgen.generator.engines.batch.transport import Seen
from rankgen.manifests.errors import EnvironmentProblem


def broken(server: str, batch_id: str, how: str) -> EnvironmentProblem:
    """Returns the problem of a batch that was cancelled, or lost by its server."""
    what = "was cancelled" if how == "cancelled" else "is not known to it any more"
    return EnvironmentProblem(
        f"the batch {batch_id} of the server {server} {what}",
        "repeat the command to ask again for what it has not answered",
    )


def fruitless(server: str, batches: int, last: Seen, lines: Iterable[Line]) -> EnvironmentProblem:
    """Returns the problem of a server that answered nothing in several batches in a row.

    Args:
        server: Its address.
        batches: How many they are.
        last: How the last one ended.
        lines: The last one's lines.
    """
    why = last.why or next((line.reason() for line in lines), f"the batch is {last.status}")
    return EnvironmentProblem(
        f"the server {server} answered nothing in {batches} batches in a row, lastly: {why}",
        "fix the cause, then repeat the command to resume",
    )


def unanswered(server: str, tries: int, last: Seen | None, line: Line | None) -> TeacherFailure:
    """Returns the failure of a request that several batches did not answer.

    Args:
        server: The server's address.
        tries: How many batches had it.
        last: How the last one ended; None if the server lost it.
        line: What the last one said of the request, if anything.
    """
    status = "lost" if last is None else last.status
    why = f"the batch is {status}" if line is None else line.reason()
    said = f"{tries} batches of the server {server} did not answer"
    return TeacherFailure(f"{said}, lastly: {why}", tries)
