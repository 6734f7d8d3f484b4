"""The spans of sliding windows, from the bottom of the list to the top.

Source: RankGPT (Sun et al., EMNLP 2023, section 3.2), as computed by rank_llm. The windows start at
the end of the list, so that every candidate is ranked even if the stride does not divide the list.
"""

from __future__ import annotations

from collections.abc import Iterator

from rankgen.manifests.errors import UsageError


def check_window(window: int | None, stride: int | None, passes: int = 1) -> None:
    """Refuses settings under which some candidates would never be compared.

    Raises:
        UsageError: window < 2, stride < 1, stride > window or passes < 1.
    """
    if passes < 1:
        raise UsageError(f"--passes must be at least 1 (got {passes})", "use --passes 1 or more")
    if window is None:
        return
    if window < 2:
        raise UsageError(f"--window must be at least 2 (got {window})", "use --window 2 or more")
    if stride is None or stride < 1:
        got = "none" if stride is None else stride
        raise UsageError(f"--stride must be at least 1 (got {got})", "use --stride 1 or more")
    if stride > window:
        raise UsageError(
            f"--stride {stride} is larger than --window {window}, which would skip candidates",
            f"use --stride {window} or less",
        )


def spans(n: int, window: int | None, stride: int | None) -> Iterator[tuple[int, int]]:
    """Yields the spans [start, end) of one pass over `n` candidates, bottom first.

    Args:
        n: Number of candidates; 0 gives no span.
        window: Largest span; None for one span over the whole list.
        stride: Positions by which each span moves towards the top; unused without a window.

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
    """Returns the number of spans: 0 without candidates, else passes * (ceil((n-w)/s) + 1).

    Raises:
        UsageError: See `check_window`.
    """
    check_window(window, stride, passes)
    if n < 1:
        return 0
    if window is None or stride is None or n <= window:
        return passes
    return passes * (-(-(n - window) // stride) + 1)
