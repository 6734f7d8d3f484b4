"""What a student is, whatever folder it stands in: the digests of the files that give scores."""

from __future__ import annotations

from pathlib import Path

from rankgen.manifests.digest import sha256_of_file

# Files of a student folder that can change a score.
SCORING_FILES = ("*.safetensors", "*.bin", "*.json", "*.txt", "*.model")


def student_identity(student: str) -> dict[str, str] | str:
    """Returns file name -> SHA-256 of a student's folder, or a model id as it is.

    Args:
        student: A folder or a model id.
    """
    folder = Path(student)
    files = sorted({path for pattern in SCORING_FILES for path in folder.glob(pattern)})
    return {path.name: sha256_of_file(path) for path in files} or student
