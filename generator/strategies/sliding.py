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
        shape: The window, None for the whole list at once, and its stride.
    """
    steps = list(spans(len(chain.order), shape.window, shape.stride))
    for (start, end), following in zip(steps, [*steps[1:], None], strict=True):
        if following is not None:
            # What lies above this window is not touched by it.
            chain.announce(range(following[0], start), following[1] - following[0])
        await chain.sort(start, end)
