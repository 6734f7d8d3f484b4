"""The results of the calls for one window; an error is never a ranking."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


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
