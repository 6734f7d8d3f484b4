"""The sizes that a strategy works with."""

from __future__ import annotations

from typing import NamedTuple


class Shape(NamedTuple):
    """The sizes of a strategy.

    Attributes:
        window: Most passages of a call; None for the whole list at once.
        stride: Positions by which a sliding window moves up; None for other strategies.
        top: Places at the top that the strategy is to put in order; None for a sliding window.
        keep_top: Places at the top whose order is kept, as a sliding window alone can tell which of
            a window's passages may still get there; None for all.
    """

    window: int | None
    stride: int | None = None
    top: int | None = None
    keep_top: int | None = None
