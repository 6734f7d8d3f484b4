"""Reads a listwise answer, `[2] > [1] > [3]`, as a typed outcome; never raises, never guesses.

Only numbers in brackets are ids. Digits in prose, such as the text of an HTTP error, are not.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass

from rankgen.generator.outcomes import WindowOutcome

_STRICT = re.compile(r"\[[1-9][0-9]{0,5}\](?: > \[[1-9][0-9]{0,5}\])*")
# \d takes every decimal digit of Unicode (a fullwidth or an Arabic digit is still that number, and
# the outcome is then `repaired`), but not superscripts, circled numbers or fractions.
_ID = re.compile(r"\[[ \t]*(\d+)[ \t]*\]")
_SEPARATORS = re.compile(r"[\s>,]*")
_CUT_TAIL = re.compile(r"[\s>,]*(?:\[[ \t]*\d*)?")
# More digits than any list is long; int() refuses thousands of them.
_MOST_DIGITS = 9


@dataclass(frozen=True)
class ParsedAnswer:
    """What an answer says about a window of k passages.

    Attributes:
        outcome: `ok`, `repaired`, `truncated` or `malformed`.
        permutation: 0-based positions, best first; None exactly when malformed.
        duplicates: Ids named again.
        missing: Passages not named.
        out_of_range: Ids outside 1..k.
    """

    outcome: WindowOutcome
    permutation: tuple[int, ...] | None
    duplicates: int = 0
    missing: int = 0
    out_of_range: int = 0


MALFORMED = ParsedAnswer(WindowOutcome.MALFORMED, None)


def parse_permutation(text: str, k: int, *, cut_by_length: bool = False) -> ParsedAnswer:
    """Reads the ranking of k passages from an answer.

    The rules, in order: a `<think>...</think>` block in front is dropped. The answer is `ok` when
    it is `[a] > [b] > ...` with each of 1..k once, white space around it apart. Otherwise its
    ids are read if the whole answer is bracketed ids and separators, or if there is exactly one
    chain of two or more ids joined by `>` among the words; the first mention of an id counts, and
    passages left out follow in input order. Everything else is malformed.

    Args:
        text: The answer.
        k: Number of passages in the window, at least 1.
        cut_by_length: The engine stopped because the token budget was spent. A whole answer may
            end so too: rank_llm forces exactly as many tokens as a permutation needs.

    Returns:
        The outcome; `truncated` when the length cut the answer before k ids were written.
    """
    answer = _without_thinking(text)
    if answer is None:
        return MALFORMED
    answer = answer.strip()
    ids = _ids(answer, cut_by_length)
    if ids is None:
        return MALFORMED
    seen: dict[int, None] = {}
    duplicates = out_of_range = 0
    for number in ids:
        if number is None or not 1 <= number <= k:
            out_of_range += 1
        elif number - 1 in seen:
            duplicates += 1
        else:
            seen[number - 1] = None
    if not seen:
        return MALFORMED
    rest = [position for position in range(k) if position not in seen]
    clean = not (duplicates or out_of_range or rest)
    if clean and _STRICT.fullmatch(answer):
        outcome = WindowOutcome.OK
    elif cut_by_length and rest and len(ids) < k:
        outcome = WindowOutcome.TRUNCATED
    else:
        outcome = WindowOutcome.REPAIRED
    return ParsedAnswer(outcome, (*seen, *rest), duplicates, len(rest), out_of_range)


def _without_thinking(text: str) -> str | None:
    """Returns the answer after a think block; None when the block never ends."""
    _, closed, answer = text.rpartition("</think>")
    if closed:
        return answer
    return None if text.lstrip().startswith("<think>") else text


def _ids(answer: str, cut_by_length: bool) -> list[int | None] | None:
    """Returns the ids of a trustworthy ranking in order of mention, or None."""
    found = list(_ID.finditer(answer))
    if not found:
        return None
    numbers = [_number(match.group(1)) for match in found]
    gaps = [answer[before.end() : after.start()] for before, after in itertools.pairwise(found)]
    tail = answer[found[-1].end() :]
    ends_clean = not tail or (cut_by_length and _CUT_TAIL.fullmatch(tail) is not None)
    if not ends_clean:
        ends_clean = _SEPARATORS.fullmatch(tail) is not None
    if found[0].start() == 0 and ends_clean and all(_SEPARATORS.fullmatch(gap) for gap in gaps):
        return numbers
    return _only_chain(numbers, gaps)


def _only_chain(numbers: list[int | None], gaps: list[str]) -> list[int | None] | None:
    """Returns the one run of two or more ids joined by `>`; None when there are none or several."""
    chains: list[list[int | None]] = [[numbers[0]]]
    for number, gap in zip(numbers[1:], gaps, strict=True):
        if gap.strip() == ">":
            chains[-1].append(number)
        else:
            chains.append([number])
    long = [chain for chain in chains if len(chain) > 1]
    return long[0] if len(long) == 1 else None


def _number(digits: str) -> int | None:
    return int(digits) if len(digits) <= _MOST_DIGITS else None
