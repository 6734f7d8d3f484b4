"""A journalled answer is only that of the same teacher to the same texts in the same order."""

from __future__ import annotations

import asyncio
import errno
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from rankgen.generator.answers.outcomes import WindowResult
from rankgen.generator.teachers import journal as journal_module
from rankgen.generator.teachers.journal import WindowJournal
from rankgen.generator.teachers.journaled import JournaledTeacher
from rankgen.manifests.records import Document, Query

QUERY = Query("q", "a query")
PASSAGES = (Document("a", "A", "one"), Document("b", "B", "two"))


@dataclass
class Counting:
    """A teacher that keeps the order and counts the windows it was asked for."""

    name: str = "counting"
    revision: str = "r1"
    default_window: int | None = None
    default_stride: int | None = None
    asked: list[Query] = field(default_factory=list)

    async def rank_window(self, query: Query, passages: Sequence[Document]) -> WindowResult:
        self.asked.append(query)
        return WindowResult(tuple(range(len(passages))))

    async def close(self) -> None:
        pass

    def identity(self) -> Mapping[str, object]:
        return {"model": self.name, "revision": self.revision}

    def facts(self) -> Mapping[str, str]:
        return {}


def ask(
    folder: Path,
    teacher: Counting,
    query: Query = QUERY,
    passages: Sequence[Document] = PASSAGES,
) -> int:
    """Asks through the journal in `folder` and returns how often the teacher was asked in all."""
    journaled = JournaledTeacher(teacher, WindowJournal(folder), lambda is_new: None)
    asyncio.run(journaled.rank_window(query, passages))
    asyncio.run(journaled.close())
    return len(teacher.asked)


def test_the_same_window_is_replayed(tmp_path: Path) -> None:
    teacher = Counting()
    assert [ask(tmp_path, teacher), ask(tmp_path, teacher)] == [1, 1]


def test_a_replayed_window_is_counted_and_is_not_new(tmp_path: Path) -> None:
    told: list[bool] = []
    journaled = JournaledTeacher(Counting(), WindowJournal(tmp_path), told.append)
    for query in (QUERY, QUERY, Query("q2", "another"), QUERY):
        asyncio.run(journaled.rank_window(query, PASSAGES))
    assert told == [True, False, True, False]
    assert (journaled.repeated, journaled.replayed) == (2, 0)
    again = JournaledTeacher(Counting(), WindowJournal(tmp_path), told.append)
    for _ in range(2):
        asyncio.run(again.rank_window(QUERY, PASSAGES))
    assert (again.repeated, again.replayed) == (1, 1)


@pytest.mark.parametrize("other", [Counting(name="another"), Counting(revision="r2")])
def test_another_teacher_is_asked_itself(tmp_path: Path, other: Counting) -> None:
    ask(tmp_path, Counting())
    assert ask(tmp_path, other) == 1


@pytest.mark.parametrize(
    ("query", "passages"),
    [
        (Query("q", "another query"), PASSAGES),
        (Query("q2", "a query"), PASSAGES),
        (QUERY, PASSAGES[::-1]),
        (QUERY, (Document("a", "A", "changed"), PASSAGES[1])),
        (QUERY, (Document("a", "changed", "one"), PASSAGES[1])),
        (QUERY, (Document("a2", "A", "one"), PASSAGES[1])),
        (QUERY, (Document("a", "Aone", ""), PASSAGES[1])),
    ],
)
def test_other_texts_or_another_order_are_asked_for(
    tmp_path: Path, query: Query, passages: Sequence[Document]
) -> None:
    teacher = Counting()
    ask(tmp_path, teacher)
    assert ask(tmp_path, teacher, query, passages) == 2


def test_answers_are_forced_to_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    monkeypatch.setattr(journal_module, "SYNC_SECONDS", 0.0)
    journal = WindowJournal(tmp_path)
    before = len(synced)
    journal.append("a", WindowResult((0,)))
    # A thread does it, so that no chain waits for the disk.
    for _ in range(500):
        if len(synced) > before:
            break
        time.sleep(0.01)
    assert len(synced) == before + 1
    journal.close()
    assert len(synced) == before + 2


def test_a_disk_that_fails_in_the_background_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "no space left")

    journal = WindowJournal(tmp_path)
    monkeypatch.setattr(journal_module, "SYNC_SECONDS", 0.0)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        journal.append("a", WindowResult((0,)))
        while not journal._lines._syncing.done():  # type: ignore[attr-defined]  # it has begun
            time.sleep(0.01)
    with pytest.raises(OSError, match="no space left"):
        journal.append("b", WindowResult((0,)))
    with pytest.raises(OSError, match="no space left"):
        journal.close()
