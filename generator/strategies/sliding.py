"""The sliding window: from the bottom of the list to the top, each window after the last.

Source: RankGPT (Sun et al., EMNLP 2023, section 3.2); used by RankZephyr and Rank-DistiLLM.
"""

from __future__ import annotations

from rankgen.generator.strategies.chain import Chain
from rankgen.generator.strategies.shape import Shape
from rankgen.generator.strategies.windows import spans


async def one_pass(chain: Chain, shape: Shape) -> None:
    """Orders one window after the other; see `windows.spans`.

    Args:
        chain: The query's list.
        shape: The window, None for the whole list at once, its stride, and the places to keep.
    """
    steps = list(spans(len(chain.order), shape.window, shape.stride))
    for (start, end), following in zip(steps, [*steps[1:], None], strict=True):
        if following is not None:
            # What lies above this window is not touched by it.
            chain.announce(range(following[0], start), following[1] - following[0])
        first = None
        if shape.keep_top is not None:
            goes_on = 0 if following is None else following[1] - start
            first = needed(end - start, goes_on, shape.keep_top - start)
        await chain.sort(start, end, first)


def needed(passages: int, goes_on: int, kept: int) -> int | None:
    """Returns how many of a window's leading passages have to be known; None for all.

    Args:
        passages: Number of passages in the window.
        goes_on: How many of its leading places the next window takes up; the passages below stay
            where they are.
        kept: How many of its leading places are among those whose order is kept; may be negative.
    """
    first = max(goes_on, kept, 1)
    return first if first < passages else None
