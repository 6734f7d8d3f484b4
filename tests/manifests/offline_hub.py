"""The Hugging Face Hub's cache on a machine without a network."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest


def without_network(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


def fetch(cache: Path, model: str, commit: str, folder: Path) -> Path:
    """Puts `folder` into the cache as a commit of a model, to which main then points."""
    cached = cache / f"models--{model.replace('/', '--')}"
    shutil.copytree(folder, cached / "snapshots" / commit)
    (cached / "refs").mkdir(exist_ok=True)
    (cached / "refs" / "main").write_text(commit)
    return cached
