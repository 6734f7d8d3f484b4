"""The students of a soup: opened one by one, and refused where their weights have no mean."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from rankgen.manifests.errors import UsageError
from rankgen.manifests.models.model_source import RECORD_FILE, pinned_model
from rankgen.students.model.cross_encoder import CrossEncoder
from rankgen.students.model.cuts import CUTS_ENTRY
from rankgen.students.model.loading import load_cross_encoder
from rankgen.students.reranking.student_identity import student_identity
from rankgen.students.shipping.shipped_folder import is_shipped

# What a configuration says of where and how a model was made, which no score depends on, and the
# entry of the cuts and of long documents, which are compared by themselves.
_APART = ("_name_or_path", "transformers_version", "dtype", "torch_dtype", CUTS_ENTRY)


@dataclass(frozen=True)
class Ingredient:
    """A student.

    Attributes:
        source: A folder, or "ID@COMMIT".
        identity: What its scores depend on.
        record: Its training's record.
    """

    source: str
    identity: str
    record: Mapping[str, JsonValue]

    @property
    def name(self) -> str:
        """What it is called."""
        return Path(self.source).name

    @property
    def facts(self) -> Mapping[str, JsonValue]:
        """The facts of its training; empty where they are not recorded."""
        found = self.record.get("facts")
        return found if isinstance(found, dict) else {}

    @property
    def backbone(self) -> str:
        """The identity of what it was trained from."""
        return str(self.facts["backbone"])

    def open(self) -> CrossEncoder:
        """Loads it."""
        return load_cross_encoder(self.source)


def ingredients_of(students: Sequence[str]) -> list[Ingredient]:
    """Returns the students, each once.

    Raises:
        UsageError: There is no such student, one is given twice, or their records tell of
            different backbones or of none.
    """
    found = [_ingredient(student) for student in students]
    first = found[0]
    for place, one in enumerate(found):
        same = next((other for other in found[:place] if other.identity == one.identity), None)
        if same is not None:
            raise UsageError(
                f"{one.source} is the same student as {same.source}", "name each student once"
            )
        if one.backbone != first.backbone:
            raise UsageError(
                f"{one.source} was trained from another backbone than {first.source}, so that the "
                "mean of their weights means nothing",
                "name students of one backbone, such as those of several --seed",
            )
    return found


def check_alike(first: CrossEncoder, other: CrossEncoder, names: tuple[str, str]) -> None:
    """Refuses students whose weights, configurations or tokens differ in kind.

    Args:
        first: The first student.
        other: Another one.
        names: What they are called.

    Raises:
        UsageError: They have no mean.
    """
    differing = _difference(first, other)
    if differing is not None:
        raise UsageError(
            f"{names[1]} and {names[0]} cannot be averaged: they differ in {differing}",
            "name students of one architecture that were trained alike",
        )


def _ingredient(student: str) -> Ingredient:
    source = pinned_model(student)
    if is_shipped(source):
        raise UsageError(
            f"{source} is shipped, and its weights are fixed", "name the student it was made from"
        )
    if Path(source).is_dir() and not (Path(source) / "config.json").is_file():
        raise UsageError(
            f"{source} holds no finished student (it has no config.json)",
            "repeat its rankgen train-student command, which goes on where it stopped",
        )
    path = Path(source) / RECORD_FILE
    try:
        record = dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        record = {}
    made = Ingredient(source, student_identity(source), record)
    if "backbone" not in made.facts:
        raise UsageError(
            f"{source} has no record of the backbone that it was trained from",
            "name folders that `rankgen train-student` wrote",
        )
    return made


def _difference(first: CrossEncoder, other: CrossEncoder) -> str | None:
    """Returns in what two students differ; None where they have a mean."""
    if first.write is None or other.write is None:
        return "what can be saved: these kinds are only scored with"
    shapes = [
        {name: tuple(weight.shape) for name, weight in one.model.state_dict().items()}
        for one in (first, other)
    ]
    for name in sorted(shapes[0].keys() | shapes[1].keys()):
        if shapes[0].get(name) != shapes[1].get(name):
            return f"the weight {name}"
    configs = [_compared(one.model.config.to_dict()) for one in (first, other)]
    for name in sorted(configs[0].keys() | configs[1].keys()):
        if configs[0].get(name) != configs[1].get(name):
            return f"the setting {name}"
    cuts = [(one.query_tokens, one.passage_tokens, one.pair_tokens) for one in (first, other)]
    if cuts[0] != cuts[1]:
        return "the tokens after which texts are cut"
    if first.long_documents != other.long_documents:
        return "how long documents are read"
    if first.asked != other.asked:
        return "how they are asked about a pair"
    if first.tokenizer.get_vocab() != other.tokenizer.get_vocab():
        return "their tokens"
    return None


def _compared(config: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the settings that scores depend on; dropout is none of them."""
    return {
        name: value
        for name, value in config.items()
        if name not in _APART and "dropout" not in name
    }
