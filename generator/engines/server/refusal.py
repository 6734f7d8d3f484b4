"""What a server's refusal means: a wrong setting, a wrong key, or just this prompt."""

from __future__ import annotations

import re
import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rankgen.generator.answers.outcomes import TeacherFailure
from rankgen.generator.engines.server.address import KEY_VARIABLE, server_key
from rankgen.manifests.errors import EnvironmentProblem, RankgenError, UsageError, reason_of

if TYPE_CHECKING:
    from openai import APIStatusError

# How Azure and others refuse a prompt, with status 400.
_FILTERED = re.compile(
    r"content[_ ](?:filter|management policy|policy)|ResponsibleAI", re.IGNORECASE
)
# How OpenRouter does, with the status of a wrong key.
_FLAGGED = re.compile(r"\bmoderation\b|\bflagged\b", re.IGNORECASE)


def refused_request(
    server: str,
    model: str,
    error: APIStatusError,
    attempt: int,
    *,
    listed: Sequence[str],
    has_answered: bool,
) -> RankgenError | TeacherFailure:
    """Returns the error for a request that was refused for good (status 4xx).

    Args:
        server: The part of the server's address that may be shown.
        model: The model in the request.
        error: The refusal.
        attempt: The number of the call, from 1.
        listed: The models that the server lists.
        has_answered: Whether the server has answered another prompt with the same settings.
    """
    said, status = reason_of(error), error.status_code
    what = f"the server {server} refused the request for model {model}"
    if status == 403 and (_FLAGGED.search(said) or _FILTERED.search(said)):
        return TeacherFailure(f"{what} by its moderation: {said}", attempt)
    if status in (401, 403):
        return refused_key(server, status, said)
    if status == 402:
        # No later request would be answered either.
        return EnvironmentProblem(
            f"{what} with status 402, payment required: {said}",
            "add credit to the account of the key, then repeat the command to resume",
        )
    if status == 404:
        models = ", ".join(listed) or "none"
        return UsageError(f"{what} with status 404: {said}", f"models it lists: {models}")
    if _FILTERED.search(error.response.text):
        return TeacherFailure(f"{what} by its content filter: {said}", attempt)
    if has_answered or "context" in said.lower():
        return TeacherFailure(f"{what} with status {status}: {said}", attempt)
    return UsageError(
        f"{what} with status {status}: {said}", "check --model, --api and --context-size"
    )


def refused_key(server: str, status: int, said: str = "") -> EnvironmentProblem:
    """Returns the error for a server that wants a key, or a different one.

    Args:
        server: The part of the server's address that may be shown.
        status: 401 or 403.
        said: The server's answer; the key is removed from it.
    """
    key = server_key()
    reason = f": {said.replace(key, '…') if key else said}" if said else ""
    if not key:
        return EnvironmentProblem(
            f"the server {server} wants a key (status {status}), and {KEY_VARIABLE} is not set "
            f"on node {socket.gethostname()}{reason}",
            f"set {KEY_VARIABLE} where you type the command: every worker gets it, and it is never "
            "written to a file",
        )
    return EnvironmentProblem(
        f"the server {server} refuses the key in {KEY_VARIABLE} (status {status}){reason}",
        f"set {KEY_VARIABLE} to a key that may use this server and model",
    )
