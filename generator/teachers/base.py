"""The interface of teachers: each orders one window of passages for one query."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, cast

from pydantic import JsonValue

from rankgen.generator.answers.outcomes import WindowResult
from rankgen.generator.teachers.presets import TeacherPreset
from rankgen.manifests.records import Document, Query

if TYPE_CHECKING:
    from rankgen.generator.teachers.settings import LabelSettings


class Teacher(Protocol):
    """Orders windows of many queries at once; each worker process creates one teacher."""

    @property
    def name(self) -> str:
        """The name that the user gave, such as "rankzephyr" or "recorded:run.trec"."""

    @property
    def default_window(self) -> int | None:
        """Passages in one call; None for the whole list."""

    @property
    def default_stride(self) -> int | None:
        """Positions by which the window moves up; None without a window."""

    async def rank_window(self, query: Query, passages: Sequence[Document]) -> WindowResult:
        """Orders at least two passages.

        Raises:
            TeacherFailure: This window could not be ranked.
            EngineDead: The engine is gone and the process must exit.
            RankgenError: No window can be ranked (wrong settings, no server, no key).
        """

    async def close(self) -> None:
        """Ends the teacher's engine, connections and threads."""

    def identity(self) -> Mapping[str, object]:
        """Returns everything that changes results, as JSON values: model, prompt, sampling."""

    def facts(self) -> Mapping[str, str]:
        """Returns provenance that may change on resume: versions, devices."""


class PlainTeacher(Protocol):
    """The functions of a module whose teacher is told by what follows its colon, not by --model."""

    def open_teacher(self, argument: str, settings: LabelSettings, /) -> Teacher:
        """Returns the teacher, ready to rank.

        Raises:
            UsageError: What follows the colon is wrong.
        """

    def recipe(self, argument: str, /) -> Mapping[str, JsonValue]:
        """Returns what identifies it in a run's recipe, with "teacher"; files as their digests."""

    def anchored(self, argument: str, /) -> str:
        """Returns the argument for a process that may run in another folder."""


def plain_teacher(preset: TeacherPreset) -> PlainTeacher:
    """Imports the module of a plain teacher, which has its name."""
    name = preset.name.replace("-", "_")
    module = importlib.import_module(f"rankgen.generator.teachers.{name}")
    return cast(PlainTeacher, module)
