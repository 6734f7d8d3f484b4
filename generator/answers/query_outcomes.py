"""What became of a query: the order that its chain of calls led to, or why there is none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rankgen.generator.answers.outcomes import (
    NO_TOKENS,
    FailedCall,
    TokenUsage,
    WindowOutcome,
    WindowResult,
)
from rankgen.manifests.replay import after_call, places_shown

QueryStatus = Literal["complete", "degraded"]


@dataclass(frozen=True)
class WindowRecord:
    """A ranked window as evidence: it ordered the span [start, end) of the query's current list.

    Attributes:
        pass_index: The pass over the list, from 0.
        window_index: The number of the window within the query, from 0, over all passes.
        shown: Places of the list where the window was not that span; see `manifests.replay`.
        reordered: What a strategy made of the list after it; likewise.
    """

    pass_index: int
    window_index: int
    start: int
    end: int
    result: WindowResult
    shown: tuple[int, ...] | None = None
    reordered: tuple[int, ...] | None = None


@dataclass(frozen=True)
class QueryRanking:
    """The teacher's order of one query's candidates.

    Attributes:
        query_id: The query's id.
        order: 0-based indices into the candidates, best first, each exactly once.
        windows: The windows that led to it, in the order of the calls.
    """

    query_id: str
    order: tuple[int, ...]
    windows: tuple[WindowRecord, ...]

    @property
    def status(self) -> QueryStatus:
        """`complete` if every window was `ok`, else `degraded`."""
        clean = all(w.result.outcome is WindowOutcome.OK for w in self.windows)
        return "complete" if clean else "degraded"

    @property
    def scores(self) -> tuple[float, ...] | None:
        """The last score of each candidate, by its index; None if one has none.

        Also None if the scores are those of several windows that do not compare.
        """
        if len(self.windows) > 1 and any(w.result.are_relative for w in self.windows):
            return None
        order, known = list(range(len(self.order))), dict[int, float]()
        for window in self.windows:
            span, answer = (window.start, window.end), window.result
            held = [order[place] for place in places_shown(*span, window.shown)]
            if answer.scores is not None:
                known |= zip(held, answer.scores, strict=True)
            moves = (window.shown, window.reordered)
            order = after_call(order, *span, answer.permutation, *moves)
        return None if len(known) < len(order) else tuple(known[i] for i in range(len(order)))

    @property
    def usage(self) -> TokenUsage:
        """The tokens of all calls, failed ones included."""
        return sum((w.result.cost for w in self.windows), NO_TOKENS)


@dataclass(frozen=True)
class FailedWindow:
    """A window that could not be ranked; see `WindowRecord`.

    Attributes:
        calls: The calls for it, in order.
    """

    pass_index: int
    window_index: int
    start: int
    end: int
    calls: tuple[FailedCall, ...]
    shown: tuple[int, ...] | None = None


@dataclass(frozen=True)
class FailedQuery:
    """A query without a ranking, with the calls made for it.

    Attributes:
        query_id: The query's id.
        reason: Why it has no ranking.
        windows: The windows ranked before the failure.
        failed: The window that failed; None if something other than a call failed.
    """

    query_id: str
    reason: str
    windows: tuple[WindowRecord, ...] = ()
    failed: FailedWindow | None = None
