"""Orders a window by the first token of an answer alone, as FIRST does (Reddy et al., 2024).

A model that was trained for it begins with the letter of the best passage, and the probabilities of
the other letters order the rest: one or two tokens instead of the whole ranking.
"""

from __future__ import annotations

from collections.abc import Sequence

# What tokenizers write for a space before a word, and the bracket that opens an id.
_AROUND = " \u2581\u0120["
_OPENING = "["
# An answer may begin with the bracket, which is then a token of its own.
TOKENS = 2
# The most alternatives that OpenAI's servers give, and vLLM's by default.
MOST_ALTERNATIVES = 20

# The alternatives of one token with their log-probabilities.
Alternatives = Sequence[tuple[str, float]]


def letter_scores(tokens: Sequence[Alternatives], k: int) -> tuple[float, ...] | str:
    """Returns the log-probability of each passage's letter, or why there is none.

    Args:
        tokens: The alternatives of each token of the answer.
        k: The number of passages, which are [A], [B], ...
    """
    for alternatives in tokens[:TOKENS]:
        best = max(alternatives, key=lambda one: one[1], default=("", 0.0))[0]
        if best.strip() == _OPENING:
            continue
        if _place(best, k) is None:
            return f"the answer does not begin with the letter of a passage but with {best!r}"
        found: dict[int, float] = {}
        for token, score in alternatives:
            place = _place(token, k)
            if place is not None:
                found[place] = max(score, found.get(place, score))
        if len(found) < k:
            return f"the server gave the log-probabilities of {len(found)} of {k} passages"
        return tuple(found[place] for place in range(k))
    return "the answer names no passage"


def _place(token: str, k: int) -> int | None:
    letter = token.strip(_AROUND)
    place = ord(letter) - ord("A") if len(letter) == 1 else -1
    return place if 0 <= place < k else None
