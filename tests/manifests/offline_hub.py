"""The Hugging Face Hub's cache on a machine without a network."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

import pytest


def without_network(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


def fetch(cache: Path, model: str, commit: str, folder: Path) -> Path:
    """Puts `folder` into the cache as a commit of a model, to which main then points.

    As downloads do, it keeps contents in blobs/, and links to them by the files' names.
    """
    cached = cache / f"models--{model.replace('/', '--')}"
    snapshot, blobs = cached / "snapshots" / commit, cached / "blobs"
    shutil.copytree(folder, snapshot)
    blobs.mkdir(exist_ok=True)
    for path in [path for path in snapshot.rglob("*") if path.is_file()]:
        blob = blobs / hashlib.sha256(path.read_bytes()).hexdigest()
        path.replace(blob)
        path.symlink_to(os.path.relpath(blob, path.parent))
    (cached / "refs").mkdir(exist_ok=True)
    (cached / "refs" / "main").write_text(commit)
    return cached
