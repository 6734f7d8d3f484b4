"""The recipe of a teacher, with digests of its files: stored in the plan, checked by workers."""

from __future__ import annotations

import socket
from collections.abc import Mapping

from pydantic import JsonValue

from rankgen.generator.prompts.pairwise import PRP
from rankgen.generator.teachers.base import plain_teacher
from rankgen.generator.teachers.pair_family import pair_prompt_of, reverses_outputs
from rankgen.generator.teachers.presets import split_teacher
from rankgen.generator.teachers.settings import LabelSettings
from rankgen.generator.teachers.sources import adapter_source, model_source, tokenizer_source
from rankgen.generator.teachers.versions import version_keys, versions
from rankgen.manifests.errors import EnvironmentProblem, UsageError
from rankgen.manifests.models.pair_prompts import PAIR_PROMPTS
from rankgen.manifests.run.plan import VERSION_PREFIX


def teacher_recipe(teacher: LabelSettings) -> dict[str, JsonValue]:
    """Returns every value that changes rankings: settings, digests of files, versions.

    Args:
        teacher: Resolved settings, with the paths of this machine.

    Raises:
        UsageError: The model or run file does not exist.
    """
    recipe: dict[str, JsonValue] = {}
    for key, value in teacher.identity().items():
        if value is None or isinstance(value, str | int | float | bool):
            recipe[key] = value
        else:
            raise TypeError(f"{key}={value!r} has no place in a recipe")
    sources = {
        "model": model_source(teacher),
        "tokenizer": tokenizer_source(teacher),
        "lora": adapter_source(teacher),
    }
    for key, source in sources.items():
        if source is not None:
            # A folder is identified by its content: it may move but must not change.
            recipe[key] = source.identity()
    preset, argument = split_teacher(teacher.teacher)
    if preset.kind == "plain":
        recipe |= plain_teacher(preset).recipe(argument or "")
    if preset.kind == "pointwise" and (pairs := pair_prompt_of(teacher)):
        recipe["pair_prompt_sha256"] = pairs.sha256
    if preset.kind == "pointwise" and reverses_outputs(teacher):
        recipe["relevant_output"] = 0
    if preset.kind == "pairwise":
        recipe["pair_prompt_sha256"] = (PRP if teacher.engine else PAIR_PROMPTS["duot5"]).sha256
    if prompt := teacher.listwise_prompt():
        recipe["prompt_profile_sha256"] = prompt.sha256
    return recipe | version_keys(versions(teacher))


def refuse_another_teacher(teacher: LabelSettings, wanted: Mapping[str, JsonValue]) -> None:
    """Checks that this node would label exactly as the driver would.

    Args:
        teacher: Resolved settings, with the paths of this machine.
        wanted: The run's recipe, which includes the driver's `teacher_recipe`.

    Raises:
        EnvironmentProblem: This node has other versions or files; the message names all of them.
    """
    node = socket.gethostname()
    same_files = f"give {node} the same files as the driver's machine, or do not use it"
    try:
        own = teacher_recipe(teacher)
    except UsageError as error:
        # The driver could read the file that this node cannot.
        problem = f"node {node} cannot label like the driver: {error.message}"
        raise EnvironmentProblem(problem, same_files) from None
    wrong = [key for key in sorted(own) if own[key] != wanted.get(key)]
    if not wrong:
        return
    told = ", ".join(_contrast(key, own[key], wanted.get(key)) for key in wrong)
    if all(key.startswith(VERSION_PREFIX) for key in wrong):
        hint = f"install the run's versions on {node}, or start Ray on the other nodes only"
    else:
        hint = same_files
    raise EnvironmentProblem(f"node {node} would label unlike the driver: {told}", hint)


def _contrast(key: str, own: JsonValue, wanted: JsonValue) -> str:
    return f"{key.removeprefix(VERSION_PREFIX)} {_shown(own)} instead of {_shown(wanted)}"


def _shown(value: JsonValue) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= 40 else text[:19] + "…"
