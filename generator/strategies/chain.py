"""One query's list while a strategy asks about it: every call becomes evidence that replays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

from rankgen.generator.answers.outcomes import FailedCall, WindowResult
from rankgen.generator.answers.query_outcomes import FailedWindow, QueryRanking, WindowRecord
from rankgen.generator.strategies.orders import InputOrder, input_order, shown_orders
from rankgen.generator.strategies.voting import Vote, by_votes
from rankgen.manifests.records import Document, Query
from rankgen.manifests.replay import described


class Ranks(Protocol):
    """What a strategy needs of a teacher."""

    @property
    def name(self) -> str:
        """What the user calls it."""

    async def rank_window(self, query: Query, passages: Sequence[Document]) -> WindowResult:
        """Orders at least two passages; see `rankgen.generator.teachers.base.Teacher`."""


@runtime_checkable
class RanksTop(Ranks, Protocol):
    """A teacher that may stop where as many passages as are needed are in order."""

    async def rank_top(
        self, query: Query, passages: Sequence[Document], first: int | None
    ) -> WindowResult:
        """Orders at least two passages, of which only the first so many are needed; None for all.

        The order of these is the one that `rank_window` would have given.
        """


class Ahead(Protocol):
    """Prepares an engine for a window while the one before it is being ranked."""

    def begin(
        self, query: Query, shown: Sequence[Document], known: Sequence[Document], size: int
    ) -> Callable[[], None]:
        """Begins it, and returns what to call once the present window is ranked.

        Args:
            query: The query.
            shown: The passages of the present window.
            known: The first passages of the next one; empty if there is none, or none is known.
            size: Passages of the next window.
        """


class Chain:
    """A query's list, and the calls about it.

    A strategy reads and sets `order` as it likes between its calls; what became of the list after a
    call is written down when the next one is made.

    Args:
        query: The query.
        passages: Its candidates in first-stage order, best first.
        teacher: Asked about two or more passages at a time.
        given: The order in which the strategy finds the list.
        votes: In how many drawn orders each window is shown; None for once, in the list's order.
        seed: Draws those orders, with the ids of the query and the passages.
        ahead: Told of every window, and of what is known of the next one.

    Attributes:
        order: 0-based first-stage places, as the list now is.
        pass_index: The pass that is under way, from 0.
        records: The answered calls; the last one is among them once it is settled.
    """

    def __init__(
        self,
        query: Query,
        passages: Sequence[Document],
        teacher: Ranks,
        *,
        given: InputOrder = "retrieved",
        votes: int | None = None,
        seed: int = 0,
        ahead: Ahead | None = None,
    ) -> None:
        self._query, self._passages, self._teacher = query, passages, teacher
        self._votes, self._seed = votes, seed
        self._ahead = ahead
        self._next = (list[Document](), 0)
        ids = [passage.doc_id for passage in passages]
        self.order = input_order(given, query.query_id, ids, seed)
        # The list that the records lead to.
        self._recorded = list(range(len(passages)))
        # What the last call showed, as first-stage places, and its answer once there is one.
        self._held: list[int] = []
        self._answer: WindowResult | None = None
        self._answered_in = self.pass_index = 0
        self.records = list[WindowRecord]()

    def announce(self, places: Sequence[int], size: int) -> None:
        """Says, before a window is asked about, what the one after it begins with.

        Args:
            places: Places that will be shown first, and whose passages stay until then.
            size: Passages of that window.
        """
        self._next = [self._passages[self.order[place]] for place in places], size

    async def rank(self, places: Sequence[int], first: int | None = None) -> list[int]:
        """Has the teacher order the passages at these places; returns the places, best first.

        The list stays as it is. A single passage needs no call.

        Args:
            places: Places of the list.
            first: How many of the best have to be known; the others may then follow in any order.
                None for all.

        Raises:
            TeacherFailure: The window could not be ranked, so the query has no ranking.
            EngineDead: The engine is gone.
        """
        shown = list(places)
        if self._votes is None or len(shown) < 2:
            result = await self._ask(shown, first)
            return [shown[number] for number in result.permutation]
        ids = [self._passages[self.order[place]].doc_id for place in shown]
        self.settle()
        salt = f"{self._seed} {self._query.query_id} {len(self.records)}"
        votes = list[Vote]()
        for drawn in shown_orders(ids, self._votes, salt):
            result = await self._ask([shown[number] for number in drawn])
            ranked = [drawn[number] for number in result.permutation]
            votes.append(Vote(ranked, len(ranked) - result.missing))
        return [shown[number] for number in by_votes(votes)]

    async def sort(self, start: int, end: int, first: int | None = None) -> None:
        """Has the teacher order the span [start, end) and writes its order there; see `rank`."""
        ranked = await self.rank(range(start, end), first)
        self.order[start:end] = [self.order[place] for place in ranked]

    def ranking(self) -> QueryRanking:
        """Returns the list as it now is, with every call as evidence."""
        self.settle()
        return QueryRanking(self._query.query_id, tuple(self.order), tuple(self.records))

    def settle(self) -> None:
        """Writes down the last call, with what became of the list since."""
        if self._answer is None:
            return
        answer, after = self._answer, list(self.order)
        start, end, *moves = described(self._recorded, self._held, answer.permutation, after)
        number = len(self.records)
        self.records.append(WindowRecord(self._answered_in, number, start, end, answer, *moves))
        self._recorded, self._answer = after, None

    def failed_window(self, calls: tuple[FailedCall, ...]) -> FailedWindow | None:
        """Returns the window that was asked about last, as one that failed by these calls."""
        if not self._held:
            return None
        start, end, shown, _ = described(self._recorded, self._held, None, self._recorded)
        where = (self.pass_index, len(self.records), start, end)
        return FailedWindow(*where, calls, shown)

    async def _ask(self, places: Sequence[int], first: int | None = None) -> WindowResult:
        self.settle()
        self._held = [self.order[place] for place in places]
        if len(places) == 1:
            result = WindowResult((0,))
        else:
            passages = [self._passages[place] for place in self._held]
            result = await self._rank_window(passages, first)
            if len(result.permutation) != len(places):
                raise ValueError(
                    f"{self._teacher.name} ranked {len(result.permutation)} of {len(places)} "
                    "passages"
                )
        self._answer, self._answered_in = result, self.pass_index
        return result

    async def _rank_window(self, passages: Sequence[Document], first: int | None) -> WindowResult:
        (known, size), self._next = self._next, ([], 0)
        if self._ahead is None or self._votes is not None:
            return await self._rank_top(passages, first)
        ranked = self._ahead.begin(self._query, passages, known, size)
        try:
            return await self._rank_top(passages, first)
        finally:
            ranked()

    async def _rank_top(self, passages: Sequence[Document], first: int | None) -> WindowResult:
        if first is not None and isinstance(self._teacher, RanksTop):
            return await self._teacher.rank_top(self._query, passages, first)
        return await self._teacher.rank_window(self._query, passages)
