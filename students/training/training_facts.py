"""What makes two trainings the same: their settings, and the content of what these name."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import get_args

from rankgen.manifests.errors import RankgenError
from rankgen.manifests.models.model_source import model_identity, pinned_model
from rankgen.manifests.run.recipe_lock import Facts, tables_digest
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.storage.hub_runs import is_hub, pinned_hub
from rankgen.retrieval.collections.judgements import judgements_sha256
from rankgen.students.choices import EVIDENCE_WEIGHTS, Precision
from rankgen.students.model.bundled import BUNDLED_BACKBONE, backbone_path
from rankgen.students.training.settings import TrainSettings

# Where data from the Hub came from stands under these names.
_SOURCES = {
    "rankings": "rankings_source",
    "validation": "validation_source",
    "validation_rankings": "validation_rankings_source",
}


def recipe_path(out: Path) -> Path:
    """Returns the file that keeps the facts of a student's training."""
    return out / ".rankgen" / "recipe.json"


def with_pinned_backbone(settings: TrainSettings) -> TrainSettings:
    """Returns the settings with the commit of a backbone from the Hub.

    It is the commit that the training in `settings.out` began with, else the current one.

    Raises:
        UsageError: There is no such model.
        EnvironmentProblem: The Hub cannot be reached and the model was never downloaded.
    """
    if settings.backbone == BUNDLED_BACKBONE:
        return settings
    pinned = pinned_model(settings.backbone, held=_held(settings.out, "backbone"))
    return settings.model_copy(update={"backbone": pinned})


def with_pinned_data(settings: TrainSettings) -> TrainSettings:
    """Returns the settings with the commits of the data sets from the Hub.

    They are those that the training in `settings.out` began with, else the current ones.

    Raises:
        UsageError: There is no such data set.
        EnvironmentProblem: The Hub cannot be reached and the data was never downloaded.
    """
    pinned: dict[str, object] = {}
    for name, fact in _SOURCES.items():
        given, held = getattr(settings, name), _held(settings.out, fact)
        if isinstance(given, Path):
            pinned[name] = pinned_hub(given, held)
            continue
        known = held if isinstance(held, list) else [held]
        # Places that were not held are pinned anew.
        places = itertools.zip_longest(given, known[: len(given)])
        pinned[name] = tuple(pinned_hub(path, one) for path, one in places)
    return settings.model_copy(update=pinned)


def backbone_identity(backbone: str) -> str:
    """Returns "sha256:..." for "minilm" or a folder, else "ID@COMMIT"."""
    return model_identity(pinned_model(backbone_path(backbone)))


def training_facts(settings: TrainSettings) -> dict[str, object]:
    """Returns the settings that can change the student, with digests in place of names.

    Raises:
        UsageError: There is no such backbone.
        EnvironmentProblem: The backbone cannot be obtained.
    """
    tables: tuple[str, ...] = ("rankings", "queries", "documents")
    if settings.pair_weights != EVIDENCE_WEIGHTS["all"]:
        tables = ("rankings", "windows", "queries", "documents")
    facts = settings.recipe()
    facts["backbone"] = backbone_identity(settings.backbone)
    for name, fact in _SOURCES.items():
        given = getattr(settings, name)
        paths = (given,) if isinstance(given, Path) else given
        if any(is_hub(path) for path in paths):
            facts[fact] = _one_or_all([str(path) for path in paths])
    facts["rankings_sha256"] = tables_digest(RunDirectory(settings.rankings), tables)
    if settings.validation:
        tables = ("candidates", "queries", "documents")
        digests = [tables_digest(RunDirectory(run), tables) for run in settings.validation]
        facts["validation_sha256"] = _one_or_all(digests)
        judged = [judgements_sha256(qrels) for qrels in settings.validation_qrels]
        facts["validation_qrels_sha256"] = _one_or_all(judged)
    if settings.validation_rankings:
        tables = ("rankings", "queries", "documents")
        digests = [tables_digest(RunDirectory(run), tables) for run in settings.validation_rankings]
        facts["validation_rankings_sha256"] = digests
    return facts


def _one_or_all(values: list[str]) -> object:
    """Returns a single value as earlier versions recorded it."""
    return values[0] if len(values) == 1 else values


def with_identity(held: Facts) -> Facts:
    """Replaces the name that earlier versions recorded for the backbone by an identity.

    The model that the name refers to now is the best guess at what it was.
    """
    word = held.get("backbone")
    if not isinstance(word, str) or word.startswith("sha256:") or "@" in word:
        return held
    try:
        return {**held, "backbone": backbone_identity(word)}
    except RankgenError:
        return held


def held_precision(out: Path) -> Precision | None:
    """Returns the precision that the training in `out` began with; None if it is unknown."""
    known: tuple[Precision, ...] = get_args(Precision)
    return next((word for word in known if word == _held(out, "precision")), None)


def _held(out: Path, name: str) -> object:
    try:
        held: object = json.loads(recipe_path(out).read_text(encoding="utf-8"))[name]
    # `check_recipe` reports what is wrong with the file, where it matters.
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return held
