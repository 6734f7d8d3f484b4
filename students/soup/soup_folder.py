"""The folder of a soup: a plain Hugging Face folder with its record and card, whole or absent."""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from pydantic import JsonValue

from rankgen.manifests.errors import UsageError
from rankgen.manifests.models.model_source import RECORD_FILE
from rankgen.manifests.run.provenance import software
from rankgen.manifests.storage.atomic import (
    fsync_directory,
    fsync_file,
    make_folder,
    refuse_current_folder,
)
from rankgen.manifests.storage.digest import sha256_of_file
from rankgen.students.model.cross_encoder import CrossEncoder
from rankgen.students.soup.card import soup_card
from rankgen.students.soup.ingredients import Ingredient
from rankgen.students.soup.summary import SoupSummary
from rankgen.students.training.learned_queries import write_learned
from rankgen.students.training.student_folder import SOUP_KIND


def held_soup(out: Path, facts: Mapping[str, JsonValue]) -> SoupSummary | None:
    """Returns the soup that is in `out` already.

    Raises:
        UsageError: Something else is there.
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        refuse_current_folder(out)
        return None
    try:
        record = json.loads((out / RECORD_FILE).read_text(encoding="utf-8"))
        if record["kind"] == SOUP_KIND and record["facts"] == facts:
            return SoupSummary(out=out, was_finished=True, **record["figures"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    raise UsageError(
        f"{out} exists, is not empty and is not this soup", "name a new folder: --out FOLDER"
    )


def soup_record(
    summary: SoupSummary, facts: Mapping[str, JsonValue], ingredients: Sequence[Ingredient]
) -> dict[str, object]:
    """Returns what the folder says of how it was made.

    Args:
        summary: Its figures.
        facts: What makes two soups the same.
        ingredients: Its students.
    """
    settings = [one.record.get("settings") for one in ingredients]
    first, *others = [one if isinstance(one, dict) else {} for one in settings]
    shared = {
        name: value
        for name, value in first.items()
        if all(other.get(name) == value for other in others)
    }
    figures = summary.model_dump(mode="json", exclude={"out", "was_finished"})
    return {
        "kind": SOUP_KIND,
        # What the trainings of all ingredients have in common.
        "settings": shared,
        "facts": facts,
        "figures": figures,
        "software": software(),
    }


def publish_soup(
    encoder: CrossEncoder,
    summary: SoupSummary,
    record: Mapping[str, object],
    learned: Collection[str] | None,
) -> None:
    """Makes the whole folder visible in one step.

    Args:
        encoder: The mean.
        summary: Its figures, and where it goes.
        record: See `soup_record`.
        learned: Digests of the queries that its students learned from; None if unknown.
    """
    out = summary.out
    make_folder(out.absolute().parent)
    draft = out.with_name(f".{out.name}.{uuid.uuid4().hex}.draft")
    try:
        draft.mkdir()
        encoder.save(draft)
        digests = {
            path.relative_to(draft).as_posix(): sha256_of_file(path)
            for path in sorted(draft.rglob("*.safetensors"))
        }
        text = json.dumps({**record, "weights_sha256": digests}, indent=2) + "\n"
        (draft / RECORD_FILE).write_text(text, encoding="utf-8")
        if learned is not None:
            write_learned(draft, learned)
        (draft / "README.md").write_text(soup_card(encoder, summary), encoding="utf-8")
        for path in draft.rglob("*"):
            if path.is_file():
                fsync_file(path)
        fsync_directory(draft)
        # Onto an empty folder, too.
        os.replace(draft, out)
        fsync_directory(out.absolute().parent)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
