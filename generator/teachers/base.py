"""The interface of teachers: each orders one window of passages for one query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from rankgen.generator.answers.outcomes import WindowResult
from rankgen.manifests.records import Document, Query


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
