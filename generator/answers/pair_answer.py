"""Reads which of two passages an answer prefers."""

from __future__ import annotations

import re
from typing import Literal

from rankgen.generator.answers.answer_text import answer_of

Letter = Literal["A", "B"]
# A change of what is read as an answer is a new number.
PAIR_ANSWER_RULES = 1
_BARE = re.compile(r"\W*(?:passage\W+)?([ab])\W*", re.IGNORECASE)
_NAMED = re.compile(r"\bpassage\W+([ab])\b", re.IGNORECASE)


def read_letter(text: str) -> Letter | None:
    """Returns the passage that an answer prefers; None if it names none, or both.

    "A" and "Passage A." are answers, and so is a sentence that names one passage and not the other.
    A text that ends within a thought is none.
    """
    answer = answer_of(text, opening=r"[A-Za-z]")
    if answer is None:
        return None
    bare = _BARE.fullmatch(answer)
    named = {bare[1].upper()} if bare else {one.upper() for one in _NAMED.findall(answer)}
    if len(named) != 1:
        return None
    return "A" if named == {"A"} else "B"
