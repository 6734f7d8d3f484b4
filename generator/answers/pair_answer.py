"""Reads which of two passages an answer prefers."""

from __future__ import annotations

import re
from typing import Literal

from rankgen.generator.answers.answer_text import answer_of

Letter = Literal["A", "B"]
# A change of what is read as an answer is a new number. Version 1 took "Neither Passage A nor B"
# for A.
PAIR_ANSWER_RULES = 2
_BARE = re.compile(r"\W*(?:passage\W+)?([ab])\W*", re.IGNORECASE)
_NAMED = re.compile(r"\bpassage\W+([ab])\b", re.IGNORECASE)
# A letter that stands alone names a passage too, but for the article, as in "A better one".
_ALONE = re.compile(r"\b(?:(B)|(A)(?!\s+[a-z]))\b")
# What may turn a sentence around.
_UNSURE = re.compile(
    r"\b(?:neither|nor|both|either|equal|equally|same|ties?|tied|less|least|not|cannot|unable|sorry"
    r"|irrelevant)\b|n['\u2019]t\b",
    re.IGNORECASE,
)


def read_letter(text: str) -> Letter | None:
    """Returns the passage that an answer prefers; None if it names none, or both.

    "A" and "Passage A." are answers, and so is a sentence that names one passage, not the other,
    and denies nothing. A text that ends within a thought is none.
    """
    answer = answer_of(text, opening=r"[A-Za-z]")
    if answer is None:
        return None
    bare = _BARE.fullmatch(answer)
    named = {bare[1].upper()} if bare else _named_in_a_sentence(answer)
    if len(named) != 1:
        return None
    return "A" if named == {"A"} else "B"


def _named_in_a_sentence(answer: str) -> set[str]:
    named = {one.upper() for one in _NAMED.findall(answer)}
    if not named or _UNSURE.search(answer):
        return set()
    return named | {one[0].upper() for one in _ALONE.finditer(answer)}
