"""Finds the prompt that `--prompt` names, and freezes its content, which other processes get.

A frozen prompt is the name of a profile, or a template as JSON: it needs no file, stands in the
run's plan, and has the same digest wherever it is read.
"""

from __future__ import annotations

import importlib.metadata
import json
from collections import Counter
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from rankgen.generator.prompts.profiles import PROFILES
from rankgen.generator.prompts.template_checks import parse_template
from rankgen.generator.prompts.templates import PromptTemplate
from rankgen.manifests.errors import EnvironmentProblem, UsageError, did_you_mean, reason_of

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

    from rankgen.generator.prompts.prompt import ListwisePrompt

PEER = "rank-llm:"
_SUFFIX = ".yaml"
_FROZEN = "{"


def frozen_prompt(asked: str) -> str:
    """Returns a prompt's name or content, which `prompt_of` takes; idempotent.

    Args:
        asked: The name of a profile, a YAML file, or rank-llm:NAME.

    Raises:
        UsageError: There is no such prompt, or it is no listwise template.
        EnvironmentProblem: rank_llm is not installed.
    """
    if asked in PROFILES or asked.startswith(_FROZEN):
        return asked
    if asked.startswith(PEER):
        return _frozen(_peer_text(asked.removeprefix(PEER)), asked, asked)
    path = Path(asked)
    if path.suffix.lower() not in (".yaml", ".yml", ".json"):
        hint = did_you_mean(asked, PROFILES)
        raise UsageError(f"there is no prompt '{asked}'", f"{hint}; a file ends in .yaml")
    try:
        text = path.expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise UsageError(
            f"the prompt {asked} cannot be read: {reason_of(error)}", "check --prompt"
        ) from None
    return _frozen(text, asked, path.name)


@lru_cache(maxsize=32)
def prompt_of(frozen: str) -> ListwisePrompt:
    """Returns the prompt that `frozen_prompt` has found.

    Raises:
        UsageError: It is no listwise template.
    """
    if frozen in PROFILES:
        return PROFILES[frozen]
    try:
        values = json.loads(frozen)
    except ValueError as error:
        raise UsageError(f"the prompt is no JSON: {error}", "check --prompt") from None
    return parse_template(values, "the prompt", "unnamed")


def peer_templates() -> dict[str, Traversable]:
    """Returns name -> file of the templates that rank_llm ships, without importing its modules.

    Raises:
        EnvironmentProblem: rank_llm is not installed.
    """
    from importlib.resources import files

    try:
        # `rank_llm` itself is empty; its `rerank`, the package of the folder, imports torch.
        folder = files("rank_llm") / "rerank" / "prompt_templates"
    except ModuleNotFoundError:
        raise EnvironmentProblem(
            "the package rank_llm is not installed", "pip install rank-llm, or give --prompt a file"
        ) from None
    found = (file for file in folder.iterdir() if file.name.endswith(_SUFFIX))
    return {_short(file.name): file for file in found}


def _short(name: str) -> str:
    """Returns "reasonrank_high" for "reasonrank_template_high.yaml"."""
    return name.removesuffix(_SUFFIX).replace("_template", "")


def _peer_text(name: str) -> str:
    found = peer_templates()
    file = found.get(_short(name))
    if file is None:
        release = importlib.metadata.version("rank-llm")
        raise UsageError(f"rank_llm {release} has no template '{name}'", did_you_mean(name, found))
    return file.read_text(encoding="utf-8")


def _frozen(text: str, where: str, name: str) -> str:
    template = _parsed(text, where, name)
    if any("{score}" in section for section in template.sections.values()):
        raise UsageError(
            f"{where}: the template shows first-stage scores, which a teacher does not get",
            "leave {score} out of a copy of it",
        )
    _refuse_joined_passages(template, where)
    content: dict[str, object] = {
        "name": template.name,
        "method": template.method,
        "answer": template.form.name,
        **template.sections,
    }
    if template.few_shot:
        turns = [{"role": turn.role, "value": turn.content} for turn in template.few_shot]
        content["few_shot"] = [{"conversations": turns}]
    return json.dumps(content, ensure_ascii=False)


def _refuse_joined_passages(template: PromptTemplate, where: str) -> None:
    """Checks that something stands between two passages that are written one after the other.

    Raises:
        UsageError: The end of a passage and the next one's identifier would be one word.
    """
    if "body_assistant" in template.sections:
        return
    key = "body" if "body" in template.sections else "body_user"
    body = template.sections[key]
    if body == body.strip():
        raise UsageError(
            f"{where}: the passages run into each other: the key '{key}' neither begins nor ends "
            "with a line break",
            f'end {key} with a line break, as in {key}: "[{{rank}}] {{candidate}}\\n"',
        )


def _parsed(text: str, where: str, name: str) -> PromptTemplate:
    import yaml

    try:
        _refuse_repeated_keys(yaml.compose(text, yaml.SafeLoader), where)
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f"line {mark.line + 1}: " if mark else ""
        problem = getattr(error, "problem", None) or reason_of(error)
        raise UsageError(f"{where} is no YAML: {line}{problem}", "check the file") from None
    return parse_template(values, where, name)


def _refuse_repeated_keys(found: object, where: str) -> None:
    """Checks the keys of a file's top, of which YAML's readers silently take the last.

    Args:
        found: The file as nodes of YAML.
        where: The file, for the message.

    Raises:
        UsageError: A key stands there twice.
    """
    import yaml

    pairs = found.value if isinstance(found, yaml.MappingNode) else []
    times = Counter(str(key.value) for key, _ in pairs)
    repeated = [key for key, count in times.items() if count > 1]
    if repeated:
        raise UsageError(
            f"{where}: the key '{repeated[0]}' stands there twice", "leave one of them out"
        )
