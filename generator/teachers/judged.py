"""Relevance judgements as the teacher: the best order that a set of candidates allows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import JsonValue

from rankgen.generator.answers.outcomes import TeacherFailure, WindowResult
from rankgen.generator.teachers.settings import LabelSettings
from rankgen.manifests.records import Document, Query
from rankgen.retrieval.collections.judgements import (
    is_catalogued,
    judgements_sha256,
    read_judgements,
)


def open_teacher(argument: str, settings: LabelSettings) -> JudgedTeacher:
    """Reads the judgements; see `PlainTeacher`, as for the next two."""
    del settings
    return JudgedTeacher(Path(argument))


def recipe(argument: str) -> dict[str, JsonValue]:
    """Returns the digest of the judgements, wherever they are.

    Raises:
        UsageError: There are none, or they cannot be read.
    """
    read_judgements(Path(argument))
    return {"teacher": "judged", "qrels_sha256": judgements_sha256(Path(argument))}


def anchored(argument: str) -> str:
    """Returns the absolute path of a file; irds:ID is the same everywhere."""
    source = Path(argument)
    return argument if is_catalogued(source) else str(source.absolute())


class JudgedTeacher:
    """Orders passages by their grade; those of one grade, or of none, stay in input order.

    Its labels are an upper bound for what any teacher can do on the same candidates.

    Args:
        source: A file in TREC or BEIR form, or `irds:ID`.

    Raises:
        UsageError: There are no such judgements.
    """

    default_window: int | None = None
    default_stride: int | None = None

    def __init__(self, source: Path) -> None:
        self._source, self._grades = source, read_judgements(source)
        self.name = f"judged:{source}"

    async def rank_window(self, query: Query, passages: Sequence[Document]) -> WindowResult:
        """Orders the window by grade; see `Teacher.rank_window`."""
        grades = self._grades.get(query.query_id)
        if not grades:
            raise TeacherFailure(f"{self._source} judges nothing for query {query.query_id}")
        places = range(len(passages))
        order = sorted(places, key=lambda place: -grades.get(passages[place].doc_id, 0))
        return WindowResult(permutation=tuple(order))

    async def close(self) -> None:
        """Does nothing: the judgements are in memory."""

    def identity(self) -> Mapping[str, object]:
        """Returns the digest of the judgements."""
        return recipe(str(self._source))

    def facts(self) -> Mapping[str, str]:
        """Returns where the judgements are."""
        return {"qrels": str(self._source)}
