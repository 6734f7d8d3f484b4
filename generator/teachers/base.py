"""What every teacher is: something that orders one window of passages for one query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from rankgen.generator.answers.outcomes import WindowResult
from rankgen.manifests.records import Document, Query


class Teacher(Protocol):
    """Orders windows; made once in each worker process and asked for many queries at a time."""

    @property
    def name(self) -> str:
        """The name the user gave, such as "rankzephyr" or "recorded:run.trec"."""

    @property
    def default_window(self) -> int | None:
        """Passages in one call; None means the whole list."""

    @property
    def default_stride(self) -> int | None:
        """Positions the window moves up; None with no window."""

    async def rank_window(self, query: Query, passages: Sequence[Document]) -> WindowResult:
        """Orders at least two passages.

        Raises:
            TeacherFailure: This window could not be ranked.
            EngineDead: The engine is gone and the process must exit.
            RankgenError: No window can be ranked: wrong settings, no server, no key.
        """

    async def close(self) -> None:
        """Frees what the teacher holds: an engine, connections, threads."""

    def identity(self) -> Mapping[str, object]:
        """Everything that changes results (JSON values): model, revision, prompt, sampling."""

    def facts(self) -> Mapping[str, str]:
        """Provenance that is recorded but need not match on resume: versions, devices."""
