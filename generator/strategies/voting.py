"""One order out of several answers about the same passages, each shown in another order.

Source: permutation self-consistency (Tang et al., arXiv 2310.07712), which shuffles what is shown
to take out the bias towards places in the prompt; here the answers are merged by Borda's count.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Vote(NamedTuple):
    """An answer.

    Attributes:
        ranked: The passages as numbers from 0, best first, all of them.
        named: How many of them the teacher wrote; the others follow in the order it was shown.
    """

    ranked: Sequence[int]
    named: int


def by_votes(votes: Sequence[Vote]) -> list[int]:
    """Returns the passages by the sum of their places over the votes, smallest first.

    Passages that a vote left out share the mean of the places that were left. Equal sums keep the
    order of the numbers.

    Args:
        votes: At least one; all of the same passages.
    """
    # Twice the places, so that means of two are whole numbers.
    sums = [0] * len(votes[0].ranked)
    for ranked, named in votes:
        shared = named + len(ranked) - 1
        for place, number in enumerate(ranked):
            sums[number] += 2 * place if place < named else shared
    return sorted(range(len(sums)), key=lambda number: (sums[number], number))
