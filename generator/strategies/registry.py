"""Every strategy: how it asks about a list, and the sizes it takes by default."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from rankgen.generator.strategies import setwise, sliding, tdpart, tournament
from rankgen.generator.strategies.chain import Chain
from rankgen.generator.strategies.shape import Shape
from rankgen.generator.strategies.windows import check_window
from rankgen.manifests.errors import UsageError

StrategyName = Literal["sliding", "tdpart", "setwise", "setwise-bubble", "tournament"]


@dataclass(frozen=True)
class Strategy:
    """A strategy and its defaults.

    Attributes:
        one_pass: Orders the chain's list once.
        what: What it does, for `--help`.
        window: Passages of a call where the user names none; None for the teacher's.
        top: Places at the top to put in order, likewise; None for half of the window.
        top_is_below_window: Whether that must be smaller than the window.
    """

    one_pass: Callable[[Chain, Shape], Awaitable[None]]
    what: str
    window: int | None = None
    top: int | None = None
    top_is_below_window: bool = True


STRATEGIES: dict[StrategyName, Strategy] = {
    "sliding": Strategy(sliding.one_pass, "windows from the bottom to the top"),
    "tdpart": Strategy(tdpart.one_pass, "all windows against the first one's pivot"),
    "setwise": Strategy(setwise.heap_pass, "a heap by the best of four", 4, 10, False),
    "setwise-bubble": Strategy(setwise.bubble_pass, "likewise, bubble sort", 4, 10, False),
    "tournament": Strategy(tournament.one_pass, "the best of each group go on"),
}
# Passages of a call for a teacher that would order the whole list at once.
_WINDOW = 20


def strategies_in_words() -> str:
    """Returns the sentence of `--help` about every strategy."""
    return ", ".join(f"{name} ({strategy.what})" for name, strategy in STRATEGIES.items()) + "."


def shape_of(name: StrategyName, asked: Shape, usual: Shape) -> Shape:
    """Returns the sizes of a strategy.

    Args:
        name: The strategy.
        asked: What the user asks for; None where nothing.
        usual: The teacher's own window and stride.

    Raises:
        UsageError: A size is of no use to the strategy, or would leave passages out.
    """
    if name == "sliding":
        _refuse(name, "top", asked.top)
        window = usual.window if asked.window is None else asked.window
        if window is None:
            return Shape(None, keep_top=asked.keep_top)
        stride = asked.stride
        if stride is None:
            stride = min(usual.stride or max(window // 2, 1), window)
        check_window(window, stride)
        return Shape(window, stride, keep_top=asked.keep_top)
    _refuse(name, "stride", asked.stride)
    _refuse(name, "keep-top", asked.keep_top)
    strategy = STRATEGIES[name]
    window = asked.window
    if window is None:
        window = strategy.window or usual.window or _WINDOW
    check_window(window, 1)
    top = asked.top or strategy.top or window // 2
    if strategy.top_is_below_window and top >= window:
        raise UsageError(
            f"--top {top} leaves nothing to lose in a --window of {window}",
            f"use --top {window - 1} or less",
        )
    return Shape(window, top=top)


def _refuse(name: StrategyName, option: str, value: int | None) -> None:
    if value is not None:
        raise UsageError(
            f"the strategy '{name}' has no use for --{option}", f"leave --{option} out"
        )
