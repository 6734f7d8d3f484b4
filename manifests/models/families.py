"""Which kind of re-ranker a model is, by its config.json, its module files and its name.

A class of transformers says how a model is loaded, but not always how it was asked: monoT5 and
RankT5 are both `T5ForConditionalGeneration`, and any chat model is a `...ForCausalLM`. There the
name decides, and a user can say it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from rankgen.manifests.errors import UsageError, reason_of
from rankgen.manifests.models.model_names import name_parts, says_t5
from rankgen.manifests.models.model_source import commit_of, split_revision
from rankgen.manifests.models.pair_prompts import (
    PAIR_PROMPTS,
    PairPrompt,
    in_own_words,
    pair_prompt_named,
)
from rankgen.manifests.models.two_outputs import output_names

# A "classifier" has a head of logits, "modular" is loaded by sentence-transformers from
# modules.json, "lightning-ir" by a class of that package, "encoder" is a body without a head,
# "chat" a causal model whose chat template is shown a pair; the others have a `PairPrompt`.
FamilyKind = Literal[
    "classifier", "modular", "lightning-ir", "encoder", "chat", "causal", "seq2seq"
]
# The entry of config.json in which a student of rankgen says how it was trained to read pairs.
STUDENT_ENTRY = "rankgen"
_PROMPT, _ANSWERS = "prompt", "answers"
_LIGHTNING = re.compile(r"^(Flash)?(CrossEncoder|Mono|SetEncoder)\w*Model$")
_CLASSIFIER = re.compile(r"ForSequenceClassification$")
_CAUSAL = re.compile(r"ForCausalLM$")
_NO_CLASS = "model without a class"
_BODY = re.compile(r"(Model|ForMaskedLM|ForPreTraining|EncoderModel)$")


@dataclass(frozen=True)
class Family:
    """A kind of re-ranker.

    Attributes:
        kind: How it is loaded, and scores.
        architecture: The class that config.json names.
        prompt: How a pair is shown and the answer read; None where the model's own files say it.
        outputs: The names of a classifier's outputs; empty where config.json has none.
    """

    kind: FamilyKind
    architecture: str
    prompt: PairPrompt | None = None
    outputs: tuple[str, ...] = ()


def family_of(model: str, revision: str | None = None, prompt: str | None = None) -> Family:
    """Returns the kind of a re-ranker.

    Args:
        model: A folder, a model id, or "ID@COMMIT".
        revision: A branch, tag or commit of a model id.
        prompt: The name of a `PairPrompt` that a user gave; None to tell it by the model.

    Raises:
        UsageError: There is no such model or prompt, config.json names a class that rankgen cannot
            score pairs with, or the prompt does not belong to the class.
        EnvironmentProblem: The model is not on this machine and cannot be downloaded.
    """
    name, own = split_revision(model)
    config = _read_json(name, "config.json", revision or own)
    if config is None and not Path(name).is_dir():
        # Says whether there is no such model, or no network.
        commit_of(name, revision or own)
    if config is None:
        raise UsageError(
            f"the model {model} has no config.json", "name a folder with a model, or a model id"
        )
    named = f"{name} {config.get('_name_or_path') or ''}"
    given = None if prompt is None else pair_prompt_named(prompt)
    modular = given is None and _read_json(name, "modules.json", revision or own) is not None
    return family_by(model, config, named, given, is_modular=modular)


def family_by(
    model: str,
    config: Mapping[str, object],
    named: str,
    given: PairPrompt | None = None,
    *,
    is_modular: bool = False,
) -> Family:
    """Returns the kind of a re-ranker by what its files say.

    Args:
        model: Names it in messages.
        config: Its config.json.
        named: Everything that may tell its name.
        given: The prompt that a user gave.
        is_modular: Whether it has a modules.json.

    Raises:
        UsageError: See `family_of`.
    """
    classes = config.get("architectures")
    architecture = str(classes[0]) if isinstance(classes, list) and classes else _NO_CLASS
    if given is not None and not re.fullmatch(given.architectures, architecture):
        raise UsageError(
            f"the prompt '{given.name}' does not belong to {model}, which is {_a(architecture)}",
            "leave --pair-prompt out",
        )
    if is_modular:
        return Family("modular", architecture)
    is_classifier = _CLASSIFIER.search(architecture) is not None
    trained = None if given or is_classifier else _trained_prompt(config)
    prompt = given or trained or _prompt_of(architecture, named)
    if prompt is not None:
        is_causal = _CAUSAL.search(architecture) is not None
        worded = trained or in_own_words(prompt, named)
        return Family("causal" if is_causal else "seq2seq", architecture, worded)
    for kind, pattern in _KINDS.items():
        if pattern.search(architecture):
            outputs = output_names(config.get("id2label")) if kind == "classifier" else ()
            return Family(kind, architecture, outputs=outputs)
    raise UsageError(
        f"{model} is {_a(architecture)}, which is not a re-ranker that rankgen knows",
        "name a cross-encoder, a T5 re-ranker or a causal re-ranker",
    )


_KINDS: dict[FamilyKind, re.Pattern[str]] = {
    "classifier": _CLASSIFIER,
    "lightning-ir": _LIGHTNING,
    "chat": _CAUSAL,
    "encoder": _BODY,
}


def prompt_entry(prompt: PairPrompt) -> dict[str, object]:
    """Returns what a student's config.json says of the prompt that it was trained with."""
    return {_PROMPT: prompt.name, _ANSWERS: [prompt.yes, prompt.no]}


def _trained_prompt(config: Mapping[str, object]) -> PairPrompt | None:
    """Returns the prompt that a student of rankgen was trained with, whatever its folder's name."""
    entry = config.get(STUDENT_ENTRY)
    if not isinstance(entry, dict) or _PROMPT not in entry:
        return None
    try:
        yes, no = entry[_ANSWERS]
    except (KeyError, TypeError, ValueError):
        raise UsageError(
            "config.json of the student does not record the answers of its prompt",
            "restore the file from a copy of the student",
        ) from None
    return replace(pair_prompt_named(str(entry[_PROMPT])), yes=yes, no=no)


def _prompt_of(architecture: str, named: str) -> PairPrompt | None:
    fitting = [p for p in PAIR_PROMPTS.values() if re.fullmatch(p.architectures, architecture)]
    usual = next((prompt for prompt in fitting if prompt.names is None), None)
    for part in name_parts(named):
        for prompt in fitting:
            if prompt.names is not None and re.search(prompt.names, part):
                return prompt
        if usual is not None and says_t5(part):
            break
    return usual


def _a(architecture: str) -> str:
    return f"{'an' if architecture[0] in 'AEIO' else 'a'} {architecture}"


def _read_json(model: str, file: str, revision: str | None) -> dict[str, object] | None:
    """Returns the table of a model's JSON file, empty for any other; None without the file."""
    path = _path_of(model, file, revision)
    if path is None:
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{file} of the model {model} cannot be read: {reason_of(error)}",
            "name a folder with a model, or a model id",
        ) from None
    return found if isinstance(found, dict) else {}


def _path_of(model: str, file: str, revision: str | None) -> Path | None:
    if Path(model).is_dir():
        return path if (path := Path(model, file)).is_file() else None
    from huggingface_hub import errors, hf_hub_download

    try:
        return Path(hf_hub_download(model, file, revision=revision))
    # Also a model that was downloaded without the file, on a machine without a network.
    except (OSError, errors.HfHubHTTPError, errors.HFValidationError):
        return None
