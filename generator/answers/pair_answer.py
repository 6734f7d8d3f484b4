"""Reads which of two passages an answer prefers."""

from __future__ import annotations

import re
from typing import Literal

from rankgen.generator.answers.answer_text import answer_of

Letter = Literal["A", "B"]
# A change of what is read as an answer is a new number. Version 1 took "Neither Passage A nor B"
# for A; version 2 took "Passage A tells of salt, while" for A, where the token limit cut it.
PAIR_ANSWER_RULES = 3
_BARE = re.compile(r"\W*(?:passage\W+)?([ab])\W*", re.IGNORECASE)
_FIRST_SENTENCE = re.compile(r"[^.!?\n]*[.!?\n]")
_NAMED = re.compile(r"\bpassage\W+([ab])\b", re.IGNORECASE)
# A letter that stands alone names a passage too, but for the article, as in "A better one".
_ALONE = re.compile(r"\b(?:(B)|(A)(?!\s+[a-z]))\b")
# What may turn a sentence around.
_UNSURE = re.compile(
    r"\b(?:neither|nor|both|either|equal|equally|same|ties?|tied|less|least|not|cannot|unable|sorry"
    r"|irrelevant)\b|n['\u2019]t\b",
    re.IGNORECASE,
)


def read_letter(text: str, *, is_cut: bool = False) -> Letter | None:
    """Returns the passage that an answer prefers; None if it names none, or both.

    "A" and "Passage A." are answers, and so is a sentence that names one passage, not the other,
    and denies nothing. A text that ends within a thought is none.

    Args:
        text: The answer.
        is_cut: Whether the token limit ended it. The rest of a sentence may name the other passage,
            so only an answer counts that begins with a letter alone, as "Passage A." does.
    """
    answer = answer_of(text, opening=r"[A-Za-z]")
    if answer is None:
        return None
    bare = _BARE.fullmatch(answer)
    if is_cut and not bare and not _begins_bare(answer):
        return None
    named = {bare[1].upper()} if bare else _named_in_a_sentence(answer)
    if len(named) != 1:
        return None
    return "A" if named == {"A"} else "B"


def _begins_bare(answer: str) -> bool:
    first = _FIRST_SENTENCE.match(answer)
    return first is not None and _BARE.fullmatch(first[0]) is not None


def _named_in_a_sentence(answer: str) -> set[str]:
    named = {one.upper() for one in _NAMED.findall(answer)}
    if not named or _UNSURE.search(answer):
        return set()
    return named | {one[0].upper() for one in _ALONE.finditer(answer)}
