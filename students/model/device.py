"""The device that a student computes on."""

from __future__ import annotations

import torch

from rankgen.manifests.errors import EnvironmentProblem, UsageError

DEVICE_HINT = "use --device auto, cpu, cuda or cuda:N"


def choose_device(device: str = "auto") -> torch.device:
    """Returns the device; `auto` means a GPU where torch sees one.

    Raises:
        UsageError: `device` is unknown.
        EnvironmentProblem: A GPU is asked for and torch sees none.
    """
    fastest = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        chosen = torch.device(fastest if device == "auto" else device)
    except RuntimeError:
        raise UsageError(f"'{device}' is not a device", DEVICE_HINT) from None
    if chosen.type == "cuda" and not torch.cuda.is_available():
        raise EnvironmentProblem("torch sees no GPU here", "use --device cpu")
    if chosen.type not in ("cpu", "cuda"):
        raise UsageError(f"'{device}' is not a supported device", DEVICE_HINT)
    return chosen
