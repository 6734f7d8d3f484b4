"""Resolves `--dtype`: the number format in which vLLM computes a model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal, get_args

from rankgen.manifests.errors import EnvironmentProblem, UsageError, reason_of
from rankgen.manifests.models.half_precision import HalfFormat, is_fast, slowness

Dtype = Literal["bfloat16", "float16", "float32"]
_DTYPES: dict[str, Dtype] = {dtype: dtype for dtype in get_args(Dtype)}
_HALVES: dict[str, HalfFormat] = {half: half for half in get_args(HalfFormat)}


def dtype_and_warning(own: str, asked: str) -> tuple[Dtype, str | None]:
    """Returns the format for this machine, and a warning if the requested one is slow here.

    Args:
        own: The format of the model's weights; see `own_dtype`.
        asked: A format, or "auto" for a fast one; see `fast_dtype`.

    Raises:
        EnvironmentProblem: PyTorch is not installed.
    """
    try:
        import torch
    except ImportError as error:
        raise EnvironmentProblem(
            f"PyTorch, which vLLM needs, cannot be imported: {error}",
            'pip install "rankgen-distill[teacher]", or use --engine openai',
        ) from None
    device_type = "cuda" if torch.cuda.is_available() else "cpu"
    if asked == "auto":
        return fast_dtype(own, device_type), None
    half = _HALVES.get(asked)
    slow = None if half is None else slowness(half, device_type)
    warning = None if slow is None else f"{asked} is slow here: {slow}; --dtype float32 is faster"
    return _DTYPES[asked], warning


def fast_dtype(own: str, device_type: str) -> Dtype:
    """Returns the fastest format that loses nothing of the model's weights.

    On a CPU this is the model's own format if that is fast, else float32. A GPU computes in 16
    bits, as is vLLM's default: in the model's format, or in float16 if it lacks bfloat16.

    Args:
        own: The format of the model's weights.
        device_type: "cpu" or "cuda".
    """
    if device_type == "cpu":
        half = _HALVES.get(own)
        return half if half is not None and is_fast(half, device_type) else "float32"
    if own == "float16" or not is_fast("bfloat16", device_type):
        return "float16"
    return "bfloat16"


def own_dtype(model: str, revision: str | None) -> str:
    """Returns the format in a model's config.json, or float32 if it has none.

    Raises:
        UsageError: config.json is damaged.
    """
    config = _config(model, revision)
    # Models of several parts store it with their language model.
    for part in (config, config.get("text_config")):
        if isinstance(part, dict):
            named = part.get("dtype") or part.get("torch_dtype")
            if isinstance(named, str):
                return named.removeprefix("torch.")
    return "float32"


def _config(model: str, revision: str | None) -> dict[str, object]:
    path = Path(model) / "config.json"
    if not Path(model).is_dir():
        from huggingface_hub import hf_hub_download

        path = Path(hf_hub_download(model, "config.json", revision=revision))
    if not path.is_file():
        return {}
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(
            f"config.json of the model {model} cannot be read: {reason_of(error)}", "check --model"
        ) from None
    return config if isinstance(config, dict) else {}
