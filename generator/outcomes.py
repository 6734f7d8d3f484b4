"""What one window call and one query's chain of calls can end as; an error is never a ranking."""

from __future__ import annotations

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


class TeacherFailure(Exception):
    """One window could not be ranked; the query belongs in quarantine, the run goes on.

    Args:
        reason: What happened, in one line, such as "the answer holds no ranking".
        attempts: How often the teacher was asked, from 1.
        outcome: `malformed` for an unreadable answer, `error` for no answer.
        output_text: The last answer, where there was one.
    """

    def __init__(
        self,
        reason: str,
        attempts: int = 1,
        outcome: WindowOutcome = WindowOutcome.ERROR,
        output_text: str | None = None,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.attempts = attempts
        self.outcome = outcome
        self.output_text = output_text

    def __reduce__(
        self,
    ) -> tuple[type[TeacherFailure], tuple[str, int, WindowOutcome, str | None]]:
        """Keeps every field when the failure crosses a process boundary."""
        return type(self), (self.reason, self.attempts, self.outcome, self.output_text)


class EngineDead(Exception):
    """The engine behind the teacher is gone; its process must exit, another one takes over."""


@dataclass(frozen=True)
class TokenUsage:
    """Tokens that were read and written; zero for teachers that have no tokens."""

    prompt: int = 0
    output: int = 0

    def __add__(self, other: TokenUsage) -> TokenUsage:
        return TokenUsage(self.prompt + other.prompt, self.output + other.output)


@dataclass(frozen=True)
class WindowResult:
    """A usable answer for one window.

    Attributes:
        permutation: 0-based positions within the window, best first; holds each exactly once.
        outcome: `ok`, `repaired` or `truncated`.
        duplicates: Ids that the answer repeated.
        missing: Passages that the answer left out; they stand last, in input order.
        out_of_range: Ids of the answer that no passage has.
        usage: Tokens of every call made for this window, retries included.
        output_text: The raw answer; kept only where the outcome is not `ok`.
    """

    permutation: tuple[int, ...]
    outcome: WindowOutcome = WindowOutcome.OK
    duplicates: int = 0
    missing: int = 0
    out_of_range: int = 0
    usage: TokenUsage = TokenUsage()
    output_text: str | None = None

    def __post_init__(self) -> None:
        if sorted(self.permutation) != list(range(len(self.permutation))):
            raise ValueError(f"{self.permutation} is not a permutation")
        if self.outcome in (WindowOutcome.MALFORMED, WindowOutcome.ERROR):
            raise ValueError(f"a window that is {self.outcome} has no permutation")


@dataclass(frozen=True)
class WindowRecord:
    """One call as evidence: it ordered the span [start, end) of the query's current list.

    Attributes:
        pass_index: Which pass over the list, from 0.
        window_index: Order of the calls within the query, from 0, over all passes.
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
        windows: The calls that led to it, in the order they were made.
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
        """The tokens of all windows together."""
        return sum((w.result.usage for w in self.windows), TokenUsage())
