"""Settings as others may see them: folders by name, without their path on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rankgen.manifests.storage.hub_runs import is_hub
from rankgen.manifests.storage.public_paths import file_name, is_local_path
from rankgen.retrieval.collections.judgements import is_catalogued

_PATHS = ("rankings", "validation", "validation_qrels", "validation_rankings", "out")


def public_settings(values: Mapping[str, object]) -> dict[str, object]:
    """Returns a training's settings as JSON values, with every local path cut to its last part.

    Args:
        values: Settings from `TrainSettings`, or from a student's record of any version.
    """
    return {name: _public(name, value) for name, value in values.items()}


def _public(name: str, value: object) -> object:
    if name in _PATHS and isinstance(value, list | tuple):
        return [_public(name, one) for one in value]
    if not isinstance(value, str) or is_catalogued(Path(value)) or is_hub(value):
        return value
    is_path = name in _PATHS or (name == "backbone" and Path(value).is_dir())
    return file_name(value) if is_path or is_local_path(value) else value
