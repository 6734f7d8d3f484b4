"""Numbers with their nouns, as messages write them: "1 query", "12,000 queries"."""

from __future__ import annotations

_VOWELS = "aeiou"
_HISSING = ("s", "x", "z", "ch", "sh")


def counted(number: int, noun: str) -> str:
    """Returns a number with its noun, such as "1 window" or "9 windows".

    Args:
        number: How many, 0 or more.
        noun: The singular, whose last word takes the regular plural.
    """
    return f"{number:,} {noun if number == 1 else plural(noun)}"


def plural(noun: str) -> str:
    """Returns the regular plural of a noun: "queries", "batches", "days"."""
    if noun.endswith("y") and noun[-2:-1] not in _VOWELS:
        return noun[:-1] + "ies"
    return noun + ("es" if noun.endswith(_HISSING) else "s")
