"""The number of tokens after which a student cuts its texts.

It is recorded in config.json, which every loader gets; earlier versions used only rankgen.json.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from rankgen.manifests.errors import UsageError
from rankgen.manifests.long_documents.rule import ChunkRule, rule_of
from rankgen.manifests.models.families import STUDENT_ENTRY
from rankgen.manifests.models.model_source import RECORD_FILE, split_revision

# The entry of config.json.
CUTS_ENTRY = STUDENT_ENTRY


class Cuts(NamedTuple):
    """The numbers of tokens after which queries and passages are cut."""

    query_tokens: int
    passage_tokens: int


def cuts_of_config(student: str, config: Mapping[str, object]) -> Cuts | None:
    """Returns the cuts in a config.json, or None if there are none.

    Raises:
        UsageError: The entry is not two numbers of tokens.
    """
    entry = config.get(CUTS_ENTRY)
    return None if entry is None else _cuts(f"config.json of {student}", entry)


def rule_of_config(student: str, config: Mapping[str, object]) -> ChunkRule | None:
    """Returns how a student reads long documents by its config.json; None if it cuts them.

    Raises:
        UsageError: The entry is damaged.
    """
    entry = config.get(CUTS_ENTRY)
    try:
        return rule_of(entry) if isinstance(entry, Mapping) else None
    except ValueError:
        raise UsageError(
            f"config.json of {student} does not record how long documents are read in chunks",
            "restore the file from a copy of the student",
        ) from None


def cuts_of_record(student: str) -> Cuts | None:
    """Returns the cuts in the rankgen.json of a folder, model id or "ID@COMMIT"; None without one.

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
    # Also raised without a network, if the file was never downloaded.
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
        f"{where} does not record after how many tokens texts are cut",
        "restore the file from a copy of the student",
    )
