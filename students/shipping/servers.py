"""Which programs serve a shipped folder, as far as their own lists say."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from typing import NamedTuple


class Servers(NamedTuple):
    """What is known of the programs that might serve a model.

    Attributes:
        by_transformers: Whether its class is one of transformers, so that transformers and
            sentence-transformers load model.safetensors.
        by_vllm: Whether vLLM's registry has its architecture; None where vLLM is not installed.
        vllm: The version of vLLM that was asked.
    """

    by_transformers: bool
    by_vllm: bool | None
    vllm: str | None


def servers_of(architectures: Sequence[str]) -> Servers:
    """Asks the installed programs.

    Args:
        architectures: Class names in the model's config.json.
    """
    by_transformers = any(name.endswith("ForSequenceClassification") for name in architectures)
    held = _vllm_architectures()
    if held is None:
        return Servers(by_transformers, None, None)
    version, known = held
    return Servers(
        by_transformers, by_transformers and any(name in known for name in architectures), version
    )


def _vllm_architectures() -> tuple[str, frozenset[str]] | None:
    """Returns vLLM's version and the architectures that it has itself; None without vLLM."""
    if importlib.util.find_spec("vllm") is None:
        return None
    # vLLM fails to load in many ways where its libraries do not fit the machine.
    try:
        import vllm
        from vllm.model_executor.models.registry import ModelRegistry

        return str(vllm.__version__), frozenset(ModelRegistry.get_supported_archs())
    except Exception:
        return None
