"""A tournament: groups are ordered, the best of each go on, and a last call orders those left.

Source: the group stages of TourRank (Chen et al., arXiv 2406.11678), here with full windows and the
same number of survivors in each stage. The best `top` of the list are always among the best `top`
of their group, so a teacher without errors puts the top `top` in order. A list of 100 takes 9 calls
with groups of 20 of which 10 go on.
"""

from __future__ import annotations

from collections.abc import Sequence

from rankgen.generator.strategies.chain import Chain
from rankgen.generator.strategies.shape import Shape


async def one_pass(chain: Chain, shape: Shape) -> None:
    """Plays stages until those left fit one window.

    Who leaves in a later stage is above who leaves in an earlier one; in a stage, places within the
    groups count first, and then the order before it.

    Args:
        chain: The query's list.
        shape: `top` of a group of at most `window` go on, less than `window`.
    """
    window, top = shape.window or len(chain.order), shape.top or 1
    left = len(chain.order)
    while left > window:
        ranked = [
            # A group in which none can lose needs no call.
            await chain.rank(group) if len(group) > top else group
            for group in _groups(left, window)
        ]
        kept, lost = _in_turn([g[:top] for g in ranked]), _in_turn([g[top:] for g in ranked])
        before = chain.order
        chain.order = [*(before[place] for place in (*kept, *lost)), *before[left:]]
        left = len(kept)
    await chain.sort(0, left)


def _groups(left: int, window: int) -> list[list[int]]:
    """Deals places in turn, so that the first are in different groups; all but one are full."""
    sizes = [window] * (left // window) + [left % window] * bool(left % window)
    groups = [list[int]() for _ in sizes]
    place = 0
    while place < left:
        for group, size in zip(groups, sizes, strict=True):
            if len(group) < size:
                group.append(place)
                place += 1
    return groups


def _in_turn(groups: Sequence[Sequence[int]]) -> list[int]:
    """Returns the firsts of all groups, then their seconds, and so on."""
    longest = max(map(len, groups), default=0)
    return [group[n] for n in range(longest) for group in groups if n < len(group)]
