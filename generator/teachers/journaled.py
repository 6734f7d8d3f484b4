"""A teacher that looks into its journal first."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from rankgen.generator.answers.outcomes import (
    NO_TOKENS,
    EngineDead,
    FailedCall,
    TeacherFailure,
    WindowResult,
)
from rankgen.generator.engines.batch.window_calls import calls_for_window
from rankgen.generator.engines.cost.purse import CostCapReached
from rankgen.generator.shards.worker_errors import unforeseen
from rankgen.generator.strategies.chain import RanksTop
from rankgen.generator.teachers.base import Teacher
from rankgen.generator.teachers.journal import WindowJournal
from rankgen.manifests.errors import RankgenError
from rankgen.manifests.records import Document, Query
from rankgen.manifests.storage.digest import canonical_json, sha256_of_lines


class JournaledTeacher:
    """Wraps a teacher for one shard.

    A window's key covers the teacher's identity (model, revision, prompt, tokenizer, sampling), the
    query and the passages in order, which together determine the token ids of the request, and how
    many of the best passages are needed, where these are not all.

    A window that comes back, as in a pass that changes nothing any more, is not asked about again;
    its tokens count where it came first.

    Args:
        teacher: Ranks the windows that the journal does not have.
        journal: The shard's journal.
        on_window: Called after every window, with whether the teacher was asked.

    Attributes:
        replayed: Windows whose answer an earlier process had written down.
        repeated: Windows that came back within their query.
    """

    def __init__(
        self, teacher: Teacher, journal: WindowJournal, on_window: Callable[[bool], None]
    ) -> None:
        self._teacher = teacher
        self._journal = journal
        self._on_window = on_window
        self._identity = canonical_json(dict(teacher.identity()))
        self.name = teacher.name
        self.default_window = teacher.default_window
        self.default_stride = teacher.default_stride
        self.replayed = self.repeated = 0
        self._told: set[str] = set()
        self._failed: dict[str, tuple[FailedCall, ...]] = {}

    async def rank_window(self, query: Query, passages: Sequence[Document]) -> WindowResult:
        """Replays the window, or asks the teacher and stores the answer.

        Failed calls are stored only as evidence: the window is asked again, and its result lists
        all calls ever made for it.
        """
        return await self.rank_top(query, passages, None)

    async def rank_top(
        self, query: Query, passages: Sequence[Document], first: int | None
    ) -> WindowResult:
        """Replays or asks for the best passages of a window; see `rank_window` and `RanksTop`."""
        needed = [] if first is None else [f"first {first}"]
        key = sha256_of_lines(
            [self._identity, *query, *(part for passage in passages for part in passage), *needed]
        )
        result = self._journal.find(key)
        is_new, is_told = result is None, key in self._told
        if result is None:
            result = await self._asked(key, query, passages, first)
            self._journal.append(key, result)
        elif is_told:
            self.repeated += 1
        else:
            self.replayed += 1
        self._told.add(key)
        self._on_window(is_new)
        if is_told:
            # A window that comes back was paid, and failed, where it came first.
            return replace(result, failed=(), usage=NO_TOKENS)
        failed = self._journal.failed(key)
        return replace(result, failed=failed) if failed or result.failed else result

    async def _asked(
        self, key: str, query: Query, passages: Sequence[Document], first: int | None
    ) -> WindowResult:
        try:
            with calls_for_window(key, len(self._journal.failed(key))):
                if first is not None and isinstance(self._teacher, RanksTop):
                    return await self._teacher.rank_top(query, passages, first)
                return await self._teacher.rank_window(query, passages)
        except (TeacherFailure, CostCapReached) as failure:
            self._keep(key, query, failure.calls)
            raise
        except (RankgenError, EngineDead, OSError):
            raise
        except Exception as error:
            self._keep(key, query, (FailedCall(unforeseen(error)),))
            raise

    def _keep(self, key: str, query: Query, calls: Sequence[FailedCall]) -> None:
        for call in calls:
            self._journal.append_failed(key, call)
        self._failed[query.query_id] = self._journal.failed(key)

    def failed_calls(self, query_id: str) -> tuple[FailedCall, ...]:
        """Returns all calls for the window that ended a query's chain; () if no window did."""
        return self._failed.get(query_id, ())

    async def close(self) -> None:
        """Closes the journal, but not the teacher, which other shards share."""
        self._journal.close()

    def identity(self) -> Mapping[str, object]:
        """Returns the wrapped teacher's identity."""
        return self._teacher.identity()

    def facts(self) -> Mapping[str, str]:
        """Returns the wrapped teacher's facts."""
        return self._teacher.facts()
