"""Names a model folder by what is in it, so that a moved copy is the same model."""

from __future__ import annotations

import hashlib
from pathlib import Path

_SUFFIXES = frozenset({".json", ".safetensors", ".bin", ".model", ".jinja"})
_WHOLE_BELOW = 64 << 20
_SAMPLE = 1 << 20


def folder_digest(folder: Path) -> str:
    """Returns a SHA-256 over names, sizes and contents of the folder's model files.

    Of files of 64 MiB and more only the first and the last MiB are read: a 7B model would take a
    minute, and no two trainings share both ends.
    """
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.suffix in _SUFFIXES and p.is_file()):
        size = path.stat().st_size
        digest.update(f"{path.relative_to(folder).as_posix()}\0{size}\0".encode())
        with path.open("rb") as file:
            if size < _WHOLE_BELOW:
                digest.update(file.read())
            else:
                digest.update(file.read(_SAMPLE))
                file.seek(-_SAMPLE, 2)
                digest.update(file.read(_SAMPLE))
    return digest.hexdigest()


def model_identity(model: str) -> str:
    """Returns "sha256:..." for a folder, else the model's id as it is."""
    folder = Path(model)
    return f"sha256:{folder_digest(folder)}" if folder.is_dir() else model
