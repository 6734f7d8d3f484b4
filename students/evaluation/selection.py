"""Students that learned from the very queries, or were chosen by the judgements, of a test."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from rankgen.manifests.models.model_source import RECORD_FILE
from rankgen.students.evaluation.systems import System

# Where records of trainings and of soups name what chose the student.
_FACTS = ("validation_qrels_sha256", "validation")


def chosen_by(systems: Sequence[System], judgements_sha256: str) -> Iterator[str]:
    """Yields a sentence for each student whose validation used the judgements.

    Args:
        systems: Those that are measured.
        judgements_sha256: The digest of the judgements.
    """
    for system in systems:
        if system.kind == "student" and judgements_sha256 in _validated_by(system.source):
            yield (
                f"{system.name} was chosen on these judgements, which validated its training: its "
                "figures are optimistic, and no test"
            )


def learned_from(systems: Sequence[System]) -> Iterator[str]:
    """Yields a sentence for each student that learned from queries that it is measured on."""
    for system in systems:
        if system.learned:
            yield (
                f"{system.name} learned from {len(system.learned):,} of these queries, such as "
                f"{system.learned[0]}: its figures are optimistic, and no test"
            )


def _validated_by(student: str) -> set[str]:
    """Returns every digest that the record of a student in a folder names as its validation's."""
    try:
        facts = json.loads((Path(student) / RECORD_FILE).read_text(encoding="utf-8"))["facts"]
        return {text for name in _FACTS for text in _texts(facts.get(name))}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        # Public re-rankers have no such record.
        return set()


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for part in value:
            yield from _texts(part)
