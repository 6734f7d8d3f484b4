"""Uploads a finished student to the Hugging Face Hub.

Its files are named after their repository there, and hold no local paths.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

from rankgen.manifests.errors import EnvironmentProblem, IntegrityProblem, UsageError, reason_of
from rankgen.manifests.models.model_source import RECORD_FILE
from rankgen.manifests.storage.public_paths import file_name, is_local_path
from rankgen.students.model.adapter_folder import CONFIG_FILE
from rankgen.students.model.cuts import CUTS_ENTRY, cuts_of_record
from rankgen.students.training.adapter_record import ADAPTER_FOLDER
from rankgen.students.training.public_settings import public_settings

CARD = "README.md"
CONFIG = "config.json"
ADAPTER_CONFIG = f"{ADAPTER_FOLDER}/{CONFIG_FILE}"


def push_student(out: Path, name: str, *, is_private: bool = True) -> str:
    """Uploads the student's files, without its training's state, and returns the commit's URL.

    Args:
        out: The folder of a finished student.
        name: The repository, such as "somebody/monoelectra"; created if missing.
        is_private: Whether a new repository is private.

    Raises:
        UsageError: The name is not a valid repository name.
        EnvironmentProblem: The Hub cannot be reached or refuses the upload.
        IntegrityProblem: A file of the student is damaged.
    """
    from huggingface_hub import CommitOperationAdd, HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    api = HfApi()
    files = hub_files(out, name)
    try:
        api.create_repo(name, private=is_private, exist_ok=True)
        operations = [CommitOperationAdd(path, content) for path, content in files.items()]
        commit = api.create_commit(name, operations, commit_message="A student trained by rankgen")
    except HFValidationError as error:
        raise UsageError(
            f"'{name}' is not a repository name: {reason_of(error)}", "write it as USER/NAME"
        ) from None
    except (HfHubHTTPError, OSError) as error:
        raise EnvironmentProblem(
            f"the student {out} cannot be pushed to {name}: {reason_of(error)}",
            "log in with `hf auth login` and repeat the command; the student is kept",
        ) from None
    return str(commit.commit_url)


def hub_files(out: Path, name: str) -> dict[str, Path | bytes]:
    """Returns path in the repository -> file, or the bytes of a changed file.

    Hidden files and folders, such as the training's state, are left out.

    Args:
        out: The folder of a finished student, of any version.
        name: The repository, such as "somebody/monoelectra".

    Raises:
        IntegrityProblem: One of the student's JSON files is damaged.
    """
    paths = {
        path.relative_to(out).as_posix(): path
        for path in sorted(out.rglob("*"))
        if path.is_file() and not any(p.startswith(".") for p in path.relative_to(out).parts)
    }
    files: dict[str, Path | bytes] = dict(paths)
    record = _json(paths[RECORD_FILE]) if RECORD_FILE in paths else {}
    if record:
        public = {**record, **{part: _public(record.get(part)) for part in ("settings", "facts")}}
        files[RECORD_FILE] = _as_bytes(public)
    if record and CONFIG in paths:
        files[CONFIG] = _with_cuts(out, paths[CONFIG])
    if ADAPTER_CONFIG in paths:
        files[ADAPTER_CONFIG] = _with_public_base(paths[ADAPTER_CONFIG])
    if CARD in paths:
        card = paths[CARD].read_text(encoding="utf-8")
        files[CARD] = _card(card, out.name, name, _local_paths(record)).encode()
    return files


def _with_public_base(path: Path) -> bytes:
    """Names the base of an adapter without its path on this machine."""
    config = _json(path)
    base = config.get("base_model_name_or_path")
    if not isinstance(base, str) or not is_local_path(base):
        return path.read_bytes()
    return _as_bytes({**config, "base_model_name_or_path": file_name(base)})


def _with_cuts(out: Path, path: Path) -> bytes:
    """Adds the cuts, which students of earlier versions record only in rankgen.json."""
    config = _json(path)
    cuts = cuts_of_record(str(out))
    if CUTS_ENTRY in config or cuts is None:
        return path.read_bytes()
    return _as_bytes({**config, CUTS_ENTRY: cuts._asdict()})


def _card(card: str, folder: str, name: str, local_paths: list[str]) -> str:
    """Replaces the student's name by that on the Hub, and local paths by their last parts."""
    title = re.search(r"^# (.+)$", card, re.MULTILINE)
    own_names = {folder, title[1].strip()} if title else {folder}
    for own in own_names:
        card = card.replace(f'CrossEncoder("{own}")', f'CrossEncoder("{name}")')
        card = card.replace(f"--student {own} ", f"--student {name} ")
    if title and title[1].strip() == folder:
        card = card.replace(title[0], f"# {name.rpartition('/')[2]}", 1)
    for path in local_paths:
        card = card.replace(path, file_name(path))
    return card


def _local_paths(record: Mapping[str, object]) -> list[str]:
    """Returns the local paths in the record of a student of an earlier version."""
    parts = [record.get("settings"), record.get("facts")]
    values = [value for part in parts if isinstance(part, dict) for value in part.values()]
    found = {value for value in values if isinstance(value, str) and is_local_path(value)}
    # Longest first, since one path may be the beginning of another.
    return sorted(found, key=len, reverse=True)


def _public(part: object) -> object:
    return public_settings(part) if isinstance(part, dict) else part


def _json(path: Path) -> dict[str, object]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError):
        raise IntegrityProblem(
            f"{path} is not a JSON object", "restore the file from a copy of the student"
        ) from None


def _as_bytes(value: object) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()
