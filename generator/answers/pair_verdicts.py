"""Puts the two answers about each pair together: wins, contradictions, and a line as evidence.

A pair is shown in both orders. Where both answers prefer one passage, it wins; where they
contradict each other, or one cannot be read, the pair is a draw.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import combinations
from typing import NamedTuple

from rankgen.generator.answers.pair_answer import Letter

# The evidence begins with it, so that no model's own text is taken for evidence.
_MARK = "pairs:"
_VERDICT = re.compile(r"\d+([<>=?])\d+")
_MEANING = {"<": "agreed", ">": "agreed", "=": "contradictory", "?": "unreadable"}


class Verdicts(NamedTuple):
    """What became of the pairs of a window.

    Attributes:
        wins: Comparisons that each passage won, in input order; a draw is half of one for both.
        order: The passages' places, most wins first, and those of equal wins in input order.
        evidence: One line such as "pairs: 1>2 1=3 2?3": 1 is preferred to 2 in both orders, 1 and 3
            contradict each other, and of 2 and 3 an answer could not be read.
        unread: Number of answers that could not be read.
    """

    wins: tuple[float, ...]
    order: tuple[int, ...]
    evidence: str
    unread: int


def ordered_pairs(k: int) -> list[tuple[int, int]]:
    """Returns every pair of k passages in both orders; the first of a pair is shown first."""
    return [pair for i, j in combinations(range(k), 2) for pair in ((i, j), (j, i))]


def verdicts(k: int, answers: Mapping[tuple[int, int], Letter | None]) -> Verdicts:
    """Puts the answers about a window together.

    Args:
        k: Number of passages.
        answers: For each of `ordered_pairs`, whether the passage shown first ("A") or the other one
            is preferred; None for an answer that could not be read.
    """
    wins, said = [0.0] * k, list[str]()
    for i, j in combinations(range(k), 2):
        sign = _sign(answers[i, j], answers[j, i])
        said.append(f"{i + 1}{sign}{j + 1}")
        share = {">": 1.0, "<": 0.0}.get(sign, 0.5)
        wins[i] += share
        wins[j] += 1.0 - share
    order = sorted(range(k), key=lambda place: (-wins[place], place))
    unread = sum(answer is None for answer in answers.values())
    return Verdicts(tuple(wins), tuple(order), " ".join((_MARK, *said)), unread)


def pair_counts(texts: Iterable[str | None]) -> dict[str, int]:
    """Returns how many pairs of these windows are agreed, contradictory and unreadable.

    Args:
        texts: The texts of windows; those that are not evidence of pairs do not count.

    Returns:
        The counts under "pairs_agreed" and so on; {} if no text is evidence.
    """
    found = Counter[str]()
    for text in texts:
        if text is not None and text.startswith(_MARK):
            line = text.partition("\n")[0]
            found.update(_MEANING[sign] for sign in _VERDICT.findall(line))
    return (
        {f"pairs_{name}": found[name] for name in sorted(set(_MEANING.values()))} if found else {}
    )


def _sign(forth: Letter | None, back: Letter | None) -> str:
    if forth is None or back is None:
        return "?"
    if forth == back:
        # The same place twice is a preference for the place, not for a passage.
        return "="
    return ">" if forth == "A" else "<"
