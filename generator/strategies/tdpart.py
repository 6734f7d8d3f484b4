"""Top-down partitioning: the first window gives a pivot, and every other window is held against it.

Source: Parry, MacAvaney and Ganguly, "Top-Down Partitioning for Efficient List-Wise Ranking",
arXiv 2405.14589, without its budget of candidates: every passage is held against the pivot, so that
a teacher without errors puts the top `top` in order. Where few passages beat the pivot, that takes
1 + ceil((n - w) / (w - 1)) calls, and one more where some do: 6 or 7 for a list of 100 and w = 20.
"""

from __future__ import annotations

from rankgen.generator.strategies.chain import Chain
from rankgen.generator.strategies.shape import Shape


async def one_pass(chain: Chain, shape: Shape) -> None:
    """Partitions the list around a pivot until all candidates above it fit one window.

    Args:
        chain: The query's list.
        shape: `top` is the pivot's place within the first window, from 1, below `window`.
    """
    window, top = shape.window or len(chain.order), shape.top or 1
    left = len(chain.order)
    while True:
        await chain.sort(0, min(window, left))
        if left <= window:
            return
        before = list(chain.order)
        above, pivot, below = before[: top - 1], before[top - 1], before[top:window]
        found = list[int]()
        for start in range(window, left, window - 1):
            part = range(start, min(start + window - 1, left))
            # The pivot comes first: passages that an answer leaves out then fall below it.
            ranked = [before[place] for place in await chain.rank([top - 1, *part])]
            cut = ranked.index(pivot)
            found += ranked[:cut]
            below += ranked[cut + 1 :]
        chain.order = [*above, *found, pivot, *below, *before[left:]]
        if not found:
            return
        left = len(above) + len(found)
