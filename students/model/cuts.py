"""After how many tokens a student cuts its texts; kept in config.json, which goes wherever it goes.

Students of earlier versions have them in rankgen.json alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from rankgen.manifests.errors import UsageError
from rankgen.manifests.models.model_source import RECORD_FILE, split_revision

# The entry of config.json.
CUTS_ENTRY = "rankgen"


class Cuts(NamedTuple):
    """Where texts end.

    Attributes:
        query_tokens: A query is cut after so many tokens.
        passage_tokens: A passage is cut after so many tokens.
    """

    query_tokens: int
    passage_tokens: int


def cuts_of_config(student: str, config: Mapping[str, object]) -> Cuts | None:
    """Returns what a config.json says, or None where it says nothing.

    Raises:
        UsageError: What it says are no two numbers of tokens.
    """
    entry = config.get(CUTS_ENTRY)
    return None if entry is None else _cuts(f"config.json of {student}", entry)


def cuts_of_record(student: str) -> Cuts | None:
    """Returns what rankgen.json says, or None where there is none.

    Args:
        student: A folder, a model id, or "ID@COMMIT".

    Raises:
        UsageError: The file is damaged.
    """
    path = _record(student)
    if path is None:
        return None
    where = f"{RECORD_FILE} of {student}"
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))["settings"]
    except (ValueError, KeyError, TypeError):
        raise _damaged(where) from None
    return _cuts(where, settings)


def _record(student: str) -> Path | None:
    name, revision = split_revision(student)
    if Path(name).is_dir():
        path = Path(name) / RECORD_FILE
        return path if path.is_file() else None
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError

    try:
        return Path(hf_hub_download(name, RECORD_FILE, revision=revision))
    # Also the error of a machine without a network that never fetched one.
    except EntryNotFoundError:
        return None


def _cuts(where: str, found: object) -> Cuts:
    try:
        assert isinstance(found, Mapping)
        cuts = Cuts(*(int(found[name]) for name in Cuts._fields))
        assert min(cuts) > 0
    except (AssertionError, KeyError, TypeError, ValueError):
        raise _damaged(where) from None
    return cuts


def _damaged(where: str) -> UsageError:
    return UsageError(
        f"{where} does not say after how many tokens texts are cut",
        "restore the file from a copy of the student",
    )
