"""The error for a vLLM that did not start, with its cause and what to do."""

from __future__ import annotations

import os
import socket

from pydantic import ValidationError

from rankgen.generator.engines.vllm.start_output import StartOutput
from rankgen.manifests.errors import EnvironmentProblem, reason_of


def start_problem(model: str, error: Exception, output: StartOutput) -> EnvironmentProblem:
    """Returns the error for an engine that could not start.

    Args:
        model: The model's id or folder.
        error: The exception that vLLM raised; the output of its engine process often says more.
        output: The output since the start began.
    """
    cause = output.cause() or _reason(error)
    return EnvironmentProblem(
        f"vLLM cannot start with the model {model}: {cause}", start_hint(cause, output.file())
    )


def _reason(error: Exception) -> str:
    """Returns the first fault of a configuration, whose first line only counts them."""
    if isinstance(error, ValidationError):
        return reason_of(ValueError(error.errors()[0]["msg"].removeprefix("Value error, ")))
    return reason_of(error)


def start_hint(cause: str, log: str | None) -> str:
    """Returns what to do about a cause, and where the output is.

    Args:
        cause: The error's text.
        log: The file with the output; None if the output went to the terminal.
    """
    node = socket.gethostname()
    where = f"vLLM's output is in {log} on node {node}" if log else "see vLLM's output above"
    lowered = cause.lower()
    if "gated" in lowered or "401" in lowered or "403" in lowered:
        return f"{token_hint(node)}; {where}"
    if "max_model_len" in lowered and "greater than" in lowered:
        return f"lower --context-size to what the model can read; {where}"
    if "runner generate" in lowered:
        return f"choose a model that writes text with --model; {where}"
    if "out of memory" in lowered or "free memory" in lowered or "kv cache" in lowered:
        return f"free memory on the device, or lower --context-size; {where}"
    return f"check the model's files and free memory (`rankgen doctor` shows it); {where}"


def token_hint(node: str) -> str:
    """Returns what to do if the Hub refuses a model to a node."""
    if os.environ.get("HF_TOKEN"):
        return "the token in HF_TOKEN may not read this model: accept its terms on its Hub page"
    return f"HF_TOKEN is not set on node {node}: set it where you type the command"
