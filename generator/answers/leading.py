"""Reads the leading ids of an answer, where no more of it is needed.

A model writes one id after the other, so the leading ids of an answer are the same whatever would
have followed them. Of a list whose teacher's top d alone is kept, most windows need only their
first ids, and every window is known once a single passage is left.
"""

from __future__ import annotations

import re
from functools import lru_cache

from rankgen.generator.answers.formats import AnswerFormat, Spelling


def leading_ids(
    text: str, form: AnswerFormat, k: int, first: int, *, is_cut: bool
) -> tuple[int, ...] | None:
    """Returns the places of the first passages that an answer names, or None if it is not clean.

    Clean means: nothing but a ranking in the format `form`, up to the last of these ids, none of
    which is repeated or out of range. What follows them is not looked at.

    Args:
        text: The answer, or its beginning.
        form: The format that the prompt asks for.
        k: Number of passages in the window.
        first: How many to read, from 1 to k.
        is_cut: Whether more text would have followed, so that its last number may be half of one.

    Returns:
        0-based places within the window, best first, as many as `first`.
    """
    if form.spelling is None:
        return None
    found = _pattern(form.spelling, form.uses_letters, first, is_cut).match(text)
    if found is None:
        return None
    ids = _id_pattern(form.uses_letters).findall(found["ids"])
    places = tuple(ord(i) - ord("A") if form.uses_letters else int(i) - 1 for i in ids)
    is_clean = len(set(places)) == first and min(places) >= 0 and max(places) < k
    return places if is_clean else None


def ids_text(form: AnswerFormat, ids: list[str], gap: str = " ") -> str:
    """Returns an answer that names these ids, up to the last one.

    Args:
        form: A format with a spelling.
        ids: What stands for the passages, best first.
        gap: What stands before and after the sign between two ids.
    """
    spelling = form.spelling or Spelling()
    before_sign = "" if spelling.between == "," else gap
    sign = f"{before_sign}{spelling.between}{gap}"
    begin = spelling.begin + (gap if len(spelling.begin) > 1 else "")
    return begin + sign.join(f"{spelling.before}{one}{spelling.after}" for one in ids)


@lru_cache(maxsize=256)
def _pattern(spelling: Spelling, uses_letters: bool, first: int, is_cut: bool) -> re.Pattern[str]:
    parts = (spelling.begin, spelling.before, spelling.after, spelling.between)
    begin, before, after, between = map(re.escape, parts)
    # Without a sign after it, a number ends where what follows is none of its digits.
    end = after or (r"(?=\D)" if is_cut else r"(?!\d)")
    one = rf"{before}{_id_pattern(uses_letters).pattern}{end}"
    more = rf"(?:\s*{between}\s*{one}){{{first - 1}}}"
    return re.compile(rf"\s*{begin}\s*(?P<ids>{one}{more})")


def _id_pattern(uses_letters: bool) -> re.Pattern[str]:
    # Six digits, as in a clean answer of every format: more are out of range anyway.
    return re.compile("[A-Z]" if uses_letters else "[1-9][0-9]{0,5}")
