"""How many tokens of query and passage a pair of limited length keeps."""

from __future__ import annotations


def longest_first(first: int, second: int, most: int) -> tuple[int, int]:
    """Returns the tokens kept of two texts, of which the longer one is cut first.

    The result is that of the truncation "longest_first" of the library tokenizers (its
    `truncate_encodings`).

    Args:
        first: Tokens of the first text.
        second: Tokens of the second text.
        most: Tokens that both may have together, at least 0.
    """
    if first + second <= most:
        return first, second
    shorter = min(first, second)
    kept = (shorter, max(shorter, most - shorter))
    if sum(kept) > most:
        kept = (most // 2, most // 2 + most % 2)
    return kept if first <= second else kept[::-1]
