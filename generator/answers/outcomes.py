"""What one window call and one query's chain of calls can end as; an error is never a ranking."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

QueryStatus = Literal["complete", "degraded"]


class WindowOutcome(StrEnum):
    """How a window's answer was read.

    Attributes:
        OK: Exactly a permutation of the window, in the format that was asked for; formatting
            around it, such as a code fence, is none of the answer.
        REPAIRED: Readable ids, but some twice, missing or out of range, or with words around them.
        TRUNCATED: The answer was cut by its length before every passage had been named.
        MALFORMED: No ranking that could be trusted; the window has no permutation.
        ERROR: The teacher gave no answer at all; the window has no permutation.
    """

    OK = "ok"
    REPAIRED = "repaired"
    TRUNCATED = "truncated"
    MALFORMED = "malformed"
    ERROR = "error"


@dataclass(frozen=True)
class TokenUsage:
    """Tokens that were read and written; zero for teachers that have no tokens."""

    prompt: int = 0
    output: int = 0

    def __add__(self, other: TokenUsage) -> TokenUsage:
        return TokenUsage(self.prompt + other.prompt, self.output + other.output)


NO_TOKENS = TokenUsage()


@dataclass(frozen=True)
class FailedCall:
    """A call that ordered nothing: the teacher gave no answer, or one that was not taken.

    Attributes:
        reason: What happened, in one line, such as "the answer holds no ranking".
        outcome: `malformed` for an unreadable answer, `error` for no answer; `repaired` or
            `truncated` where the policy refused one that was.
        usage: What it cost all the same.
        output_text: The answer, where there was one.
        cut: See `WindowResult`.
    """

    reason: str
    outcome: WindowOutcome = WindowOutcome.ERROR
    usage: TokenUsage = NO_TOKENS
    output_text: str | None = None
    cut: int | None = None


class TeacherFailure(Exception):
    """One window could not be ranked; the query belongs in quarantine, the run goes on.

    Args:
        reason: What happened, in one line, such as "the answer holds no ranking".
        attempts: How often the teacher was asked, from 1.
        outcome: `malformed` for an unreadable answer, `error` for no answer.
        output_text: The last answer, where there was one.
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
        """Every call that was made for the window, in order."""
        last = FailedCall(self.reason, self.outcome, self.usage, self.output_text, self.cut)
        return (*self.earlier, last)

    def after(self, earlier: Iterable[FailedCall], cut: int | None) -> TeacherFailure:
        """Returns the failure of a call that came after others for the same window."""
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
        """Keeps every field when the failure crosses a process boundary."""
        fields = (self.reason, self.attempts, self.outcome, self.output_text)
        return type(self), (*fields, self.usage, self.cut, self.earlier)


class EngineDead(Exception):
    """The engine behind the teacher is gone; its process must exit, another one takes over."""


@dataclass(frozen=True)
class WindowResult:
    """A usable answer for one window.

    Attributes:
        permutation: 0-based positions within the window, best first; holds each exactly once.
        outcome: `ok`, `repaired` or `truncated`.
        duplicates: Ids that the answer repeated.
        missing: Passages that the answer left out; they stand last, in input order.
        out_of_range: Ids of the answer that no passage has.
        usage: Tokens of the call that gave the answer, and of tries that a server broke off.
        output_text: The raw answer; kept only where the outcome is not `ok`.
        cut: How many texts, the passages and the query, were shortened so that the prompt fits the
            context, beyond what the prompt profile keeps of each; None where there is no prompt.
        failed: The other calls that were made for this window, in order.
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

    def __post_init__(self) -> None:
        if sorted(self.permutation) != list(range(len(self.permutation))):
            raise ValueError(f"{self.permutation} is not a permutation")
        if self.outcome in (WindowOutcome.MALFORMED, WindowOutcome.ERROR):
            raise ValueError(f"a window that is {self.outcome} has no permutation")

    @property
    def cost(self) -> TokenUsage:
        """The tokens of every call made for this window."""
        return sum((call.usage for call in self.failed), self.usage)


@dataclass(frozen=True)
class WindowRecord:
    """One window as evidence: it ordered the span [start, end) of the query's current list.

    Attributes:
        pass_index: Which pass over the list, from 0.
        window_index: Order of the windows within the query, from 0, over all passes.
    """

    pass_index: int
    window_index: int
    start: int
    end: int
    result: WindowResult


@dataclass(frozen=True)
class QueryRanking:
    """The teacher's order of one query's candidates.

    Attributes:
        query_id: The query's id.
        order: 0-based indices into the candidates, best first; holds each exactly once.
        windows: The windows that led to it, in the order they were asked for.
    """

    query_id: str
    order: tuple[int, ...]
    windows: tuple[WindowRecord, ...]

    @property
    def status(self) -> QueryStatus:
        """`complete` when every window was `ok`, else `degraded`."""
        clean = all(w.result.outcome is WindowOutcome.OK for w in self.windows)
        return "complete" if clean else "degraded"

    @property
    def usage(self) -> TokenUsage:
        """The tokens of all calls together, failed ones too."""
        return sum((w.result.cost for w in self.windows), NO_TOKENS)


@dataclass(frozen=True)
class FailedWindow:
    """A window that could not be ranked; see `WindowRecord`.

    Attributes:
        calls: The calls that were made for it, in order.
    """

    pass_index: int
    window_index: int
    start: int
    end: int
    calls: tuple[FailedCall, ...]


@dataclass(frozen=True)
class FailedQuery:
    """A query without a ranking, with what was asked for it all the same.

    Attributes:
        query_id: The query's id.
        reason: Why it has none.
        windows: The windows that were ranked before one was not.
        failed: The one that was not; None when no call failed, but something else did.
    """

    query_id: str
    reason: str
    windows: tuple[WindowRecord, ...] = ()
    failed: FailedWindow | None = None
