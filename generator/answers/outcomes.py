"""The results of a window's call and of a query's chain of calls; an error is never a ranking."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from rankgen.manifests.replay import after_call, places_shown

QueryStatus = Literal["complete", "degraded"]


class WindowOutcome(StrEnum):
    """How a window's answer was read.

    Attributes:
        OK: A permutation of the window in the requested format; formatting around it, such as a
            code fence, does not count.
        REPAIRED: Readable ids, but repeated, missing or out of range, or with words around them.
        TRUNCATED: The token limit cut the answer before every passage was named.
        MALFORMED: No trustworthy ranking; the window has no permutation.
        ERROR: No answer at all; the window has no permutation.
    """

    OK = "ok"
    REPAIRED = "repaired"
    TRUNCATED = "truncated"
    MALFORMED = "malformed"
    ERROR = "error"


@dataclass(frozen=True)
class TokenUsage:
    """Tokens read and written; zero for teachers without tokens."""

    prompt: int = 0
    output: int = 0

    def __add__(self, other: TokenUsage) -> TokenUsage:
        return TokenUsage(self.prompt + other.prompt, self.output + other.output)


NO_TOKENS = TokenUsage()


@dataclass(frozen=True)
class FailedCall:
    """A call without a result: the teacher gave no answer, or the answer was not used.

    Attributes:
        reason: What happened, in one line, such as "the answer holds no ranking".
        outcome: `malformed` for an unreadable answer, `error` for no answer; `repaired` or
            `truncated` for an answer that the policy refused, and `truncated` for a thought that
            spent its budget.
        usage: The tokens that it cost.
        output_text: The answer, if there was one.
        cut: See `WindowResult`.
    """

    reason: str
    outcome: WindowOutcome = WindowOutcome.ERROR
    usage: TokenUsage = NO_TOKENS
    output_text: str | None = None
    cut: int | None = None


class TeacherFailure(Exception):
    """A window could not be ranked; its query is quarantined and the run continues.

    Args:
        reason: What happened, in one line, such as "the answer holds no ranking".
        attempts: Number of calls, from 1.
        outcome: `malformed` for an unreadable answer, `error` for no answer.
        output_text: The last answer, if there was one.
        usage: The tokens of the last call.
        cut: See `WindowResult`.
        earlier: The calls before the last one.
    """

    def __init__(
        self,
        reason: str,
        attempts: int = 1,
        outcome: WindowOutcome = WindowOutcome.ERROR,
        output_text: str | None = None,
        usage: TokenUsage = NO_TOKENS,
        cut: int | None = None,
        earlier: tuple[FailedCall, ...] = (),
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.attempts = attempts
        self.outcome = outcome
        self.output_text = output_text
        self.usage = usage
        self.cut = cut
        self.earlier = earlier

    @property
    def calls(self) -> tuple[FailedCall, ...]:
        """All calls for the window, in order."""
        last = FailedCall(self.reason, self.outcome, self.usage, self.output_text, self.cut)
        return (*self.earlier, last)

    def after(self, earlier: Iterable[FailedCall], cut: int | None) -> TeacherFailure:
        """Returns this failure with the window's earlier calls added."""
        return TeacherFailure(
            self.reason,
            self.attempts,
            self.outcome,
            self.output_text,
            self.usage,
            cut,
            (*earlier, *self.earlier),
        )

    def __reduce__(self) -> tuple[type[TeacherFailure], tuple[object, ...]]:
        fields = (self.reason, self.attempts, self.outcome, self.output_text)
        return type(self), (*fields, self.usage, self.cut, self.earlier)


class EngineDead(Exception):
    """The teacher's engine is gone; the process must exit so that another one takes over."""


@dataclass(frozen=True)
class WindowResult:
    """A usable answer for one window.

    Attributes:
        permutation: 0-based positions within the window, best first, each exactly once.
        outcome: `ok`, `repaired` or `truncated`.
        duplicates: Number of ids that the answer repeated.
        missing: Number of passages that the answer left out; they come last, in input order.
        out_of_range: Number of ids in the answer that no passage has.
        usage: Tokens of the call with the answer, and of tries that a server broke off.
        output_text: The raw answer; None if the outcome is `ok`.
        cut: How many texts, passages and query, were shortened to fit the context, after the
            prompt profile's own limits; None without a prompt.
        failed: The other calls for this window, in order.
        scores: What the teacher thinks of each passage, in input order, higher is better; None
            where it gave an order alone.
        are_relative: Whether the scores only compare passages of this window.
        asked: How many passages the teacher was to put first; the others follow them in input
            order, of which nothing is known. None where it ordered all.
    """

    permutation: tuple[int, ...]
    outcome: WindowOutcome = WindowOutcome.OK
    duplicates: int = 0
    missing: int = 0
    out_of_range: int = 0
    usage: TokenUsage = NO_TOKENS
    output_text: str | None = None
    cut: int | None = None
    failed: tuple[FailedCall, ...] = ()
    scores: tuple[float, ...] | None = None
    are_relative: bool = False
    asked: int | None = None

    def __post_init__(self) -> None:
        if sorted(self.permutation) != list(range(len(self.permutation))):
            raise ValueError(f"{self.permutation} is not a permutation")
        if self.outcome in (WindowOutcome.MALFORMED, WindowOutcome.ERROR):
            raise ValueError(f"a window that is {self.outcome} has no permutation")
        if self.scores is not None and len(self.scores) != len(self.permutation):
            raise ValueError(f"{len(self.scores)} scores for {len(self.permutation)} passages")

    @property
    def cost(self) -> TokenUsage:
        """The tokens of all calls for this window."""
        return sum((call.usage for call in self.failed), self.usage)


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
