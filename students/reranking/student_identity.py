"""Identifies a student by what its scores depend on, whatever its name and wherever it stands."""

from __future__ import annotations

from pathlib import Path

from rankgen.manifests.models.model_source import model_identity, pinned_model
from rankgen.manifests.storage.digest import sha256_of_value
from rankgen.students.model.adapter_folder import is_adapter, read_adapter
from rankgen.students.model.cuts import cuts_of_config, cuts_of_record
from rankgen.students.model.families.layout import read_json

# Earlier versions cut the texts of other models' pairs apart.
_CUT_AS_ONE = "pairs cut as one"


def student_identity(student: str) -> str:
    """Returns "sha256:..." of a folder's content, or "ID@COMMIT" of a model id or "ID@REVISION".

    Raises:
        UsageError: There is no such model, or its files are damaged.
        EnvironmentProblem: The Hub cannot be reached and the model was never fetched.
    """
    source = pinned_model(student)
    if is_adapter(source):
        return read_adapter(source).identity
    identity = model_identity(source)
    if _says_its_cuts(source):
        return identity
    cuts = cuts_of_record(source)
    if cuts is None:
        return f"{identity} ({_CUT_AS_ONE})"
    # rankgen.json is not in the digest, since it also says when and where the student was made.
    is_folder = Path(source).is_dir()
    return f"sha256:{sha256_of_value([identity, *cuts])}" if is_folder else identity


def _says_its_cuts(source: str) -> bool:
    config = read_json(source, "config.json")
    return isinstance(config, dict) and cuts_of_config(source, config) is not None
