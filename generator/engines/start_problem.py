"""Why vLLM did not start, in one sentence with its cause."""

from __future__ import annotations

import os
import socket

from rankgen.generator.engines.start_output import StartOutput
from rankgen.manifests.errors import EnvironmentProblem, reason_of


def start_problem(model: str, error: Exception, output: StartOutput) -> EnvironmentProblem:
    """Returns the error for an engine that could not start.

    Args:
        model: The model's id or folder.
        error: What vLLM raised; its engine's process has often more to say than that.
        output: What was written meanwhile.
    """
    cause = output.cause() or reason_of(error)
    return EnvironmentProblem(
        f"vLLM cannot start with the model {model}: {cause}", start_hint(cause, output.file())
    )


def start_hint(cause: str, log: str | None) -> str:
    """Returns what to do about a cause, and where more is written.

    Args:
        cause: The error's text.
        log: The file with the whole output; None where the output went to the terminal.
    """
    node = socket.gethostname()
    where = f"vLLM's output is in {log} on node {node}" if log else "see vLLM's output above"
    lowered = cause.lower()
    if "gated" in lowered or "401" in lowered or "403" in lowered:
        return f"{token_hint(node)}; {where}"
    if "out of memory" in lowered or "free memory" in lowered or "kv cache" in lowered:
        return f"free memory on the device, or lower --context-size; {where}"
    return f"check the model's files and free memory (`rankgen doctor` shows it); {where}"


def token_hint(node: str) -> str:
    """Returns what to do where the Hub refuses a model to a node."""
    if os.environ.get("HF_TOKEN"):
        return "the token in HF_TOKEN may not read this model: accept its terms on its page"
    return f"HF_TOKEN is not set on node {node}: set it where you type the command"
