"""The arithmetic of sliding windows: bottom-aligned, the short window at the top.

Source: RankGPT (Sun et al., EMNLP 2023, section 3.2) as rank_llm computes it; the windows start at
the end of the list, so a list that the stride does not divide is short where it matters least to
the count and every candidate is still ranked.
"""

from __future__ import annotations

from collections.abc import Iterator

from rankgen.manifests.errors import UsageError


def check_window(window: int | None, stride: int | None, passes: int = 1) -> None:
    """Refuses settings under which some candidate would never be compared.

    Raises:
        UsageError: window < 2, stride < 1, stride > window or passes < 1.
    """
    if passes < 1:
        raise UsageError(f"{passes} passes rank nothing", "use --passes 1 or more")
    if window is None:
        return
    if window < 2:
        raise UsageError(f"a window of {window} orders nothing", "use --window 2 or more")
    if stride is None or stride < 1:
        raise UsageError(f"a stride of {stride} never ends", "use --stride 1 or more")
    if stride > window:
        raise UsageError(
            f"the stride {stride} is larger than the window {window}: candidates would be skipped",
            f"use --stride {window} or less",
        )


def spans(n: int, window: int | None, stride: int | None) -> Iterator[tuple[int, int]]:
    """Yields the spans [start, end) of one pass over `n` candidates, bottom first.

    Args:
        n: Number of candidates; none gives no span.
        window: Widest span; None puts the whole list into one span.
        stride: Positions by which the next span ends nearer the top; unused without a window.

    Raises:
        UsageError: See `check_window`.
    """
    check_window(window, stride)
    if n < 1:
        return
    if window is None or stride is None or n <= window:
        yield 0, n
        return
    end, start = n, n - window
    while True:
        yield start, end
        if start == 0:
            return
        end -= stride
        start = max(start - stride, 0)


def call_count(n: int, window: int | None, stride: int | None, passes: int = 1) -> int:
    """Returns the number of spans: 0 for no candidates, else passes * (ceil((n-w)/s) + 1).

    Raises:
        UsageError: See `check_window`.
    """
    check_window(window, stride, passes)
    if n < 1:
        return 0
    if window is None or stride is None or n <= window:
        return passes
    return passes * (-(-(n - window) // stride) + 1)
