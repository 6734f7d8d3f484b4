"""Identifies a student by what its scores depend on, whatever its name and wherever it stands."""

from __future__ import annotations

import json
from pathlib import Path

from rankgen.manifests.models.model_source import model_identity, pinned_model
from rankgen.manifests.storage.digest import sha256_of_value
from rankgen.students.model.cuts import cuts_of_config, cuts_of_record


def student_identity(student: str) -> str:
    """Returns "sha256:..." of a folder's content, or "ID@COMMIT" of a model id or "ID@REVISION".

    Raises:
        UsageError: There is no such model, or its files are damaged.
        EnvironmentProblem: The Hub cannot be reached and the model was never fetched.
    """
    identity = model_identity(pinned_model(student))
    folder = Path(student)
    if not folder.is_dir():
        return identity
    # rankgen.json is not in the digest, since it also says when and where the student was made.
    cuts = None if _says_its_cuts(folder) else cuts_of_record(student)
    return identity if cuts is None else f"sha256:{sha256_of_value([identity, *cuts])}"


def _says_its_cuts(folder: Path) -> bool:
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        return cuts_of_config(str(folder), config) is not None
    # Loading the student says what is wrong with the file.
    except (OSError, ValueError, AttributeError):
        return False
