"""Writes the ids of an answer in brackets, `[2] > [1]`, where they are beyond doubt.

What no pattern here fits stays as it is, and the reader of bracketed ids judges it. Each function
takes the answer, the number of passages, and whether the token limit cut the answer. Repetitions
are possessive (`*+`), so that a long answer is read in linear time.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_ID = r"(?:PASSAGE[ \t]*+)?\d++"
_LIST = rf"{_ID}(?:\s*+,\s*+{_ID})*+\s*+,?+\s*+"
# A list counts as a ranking only where it stands alone in its lines, or after "=" or ":": within a
# sentence, "[1, 2]" may as well quote two passages that are equal.
_ARRAY = re.compile(
    rf"(?P<before>^|[:=])[ \t]*+\[\s*+(?P<ids>{_LIST})\](?=[ \t]*+[.}}]*+[ \t]*+$)",
    re.IGNORECASE | re.MULTILINE,
)
# An array of these holds a number for each passage, in the order of the input.
_OF_OTHER_NUMBERS = re.compile(
    r"(?:^|[\W_])(?:scores?|ratings?|grades?|ranks|confidences?|probabilit(?:y|ies))\W{0,8}$",
    re.IGNORECASE,
)
_CUT_ARRAY = re.compile(rf"\[\s*+(?:{_ID}\s*+,\s*+)*+(?:{_ID}\s*+|P[A-Z]*+)?", re.IGNORECASE)
# Groups are not repeated possessively: Python 3.11.2 then loses some matches.
_IN_BRACKETS = r"\[[ \t]*+(?:\d++|[A-Z])[ \t]*+\]"
_NESTED = re.compile(
    rf"(?P<before>^|[:=])[ \t]*+\[\s*+(?P<ids>{_IN_BRACKETS}(?:\s*+,\s*+{_IN_BRACKETS})+)"
    r"\s*+,?+\s*+\](?=[ \t]*+[.}]*+[ \t]*+$)",
    re.IGNORECASE | re.MULTILINE,
)
_CUT_NESTED = re.compile(
    rf"\[\s*+(?P<ids>(?:{_IN_BRACKETS}\s*+,\s*+)*(?:{_IN_BRACKETS}\s*+|\[[ \t]*+(?:\d*+|[A-Z])))",
    re.IGNORECASE,
)
_DIGITS = re.compile(r"\d+")
_TIE = re.compile(r"\]\s*+=\s*+\[(?=[ \t]*+\d)")
_CUT_TIE = re.compile(r"(?<=\])\s*=\s*\[?$")
_ONLY_NUMBERS = re.compile(r"\d++(?:[\s>,]++\d++)*+[\s>,]*+\.?")
_NUMBERS = re.compile(r"(?<![\w.\[(\-#])\d++(?:\s*+>\s*+\d++)++(?![\w\])]|\.\d)")
_ONLY_LETTERS = re.compile(r"[A-Z](?:\s*+>\s*+[A-Z])*+\s*+\.?")
_LETTER = re.compile(r"\[[ \t]*+([A-Za-z])[ \t]*+\]")
_NUMBER_IN_BRACKETS = re.compile(r"\[[ \t]*+\d++[ \t]*+\]")
_CUT_LETTER = re.compile(r"\[[ \t]*[A-Za-z]?$")
_MARK = re.compile(r"\[rank(?:start|end)\]", re.IGNORECASE)
_CUT_MARK = re.compile(r"\[r[a-z]*$", re.IGNORECASE)
# No passage has this id, so it counts as out of range.
_NONE = "[0]"


def unnested(answer: str, cut: bool) -> str:
    """Writes `[[2], [1], [3]]` as `[2] > [1] > [3]`, as an array of texts like "[2]" reads.

    Double quotes are formatting and have gone before.
    """
    if cut and (begun := _CUT_NESTED.fullmatch(answer)):
        return begun["ids"]
    return _NESTED.sub(_flat, answer)


def unchanged(answer: str, k: int, cut: bool) -> str:
    """Returns the answer itself, whose ids are in brackets."""
    return answer


def untied(answer: str, k: int, cut: bool) -> str:
    """Writes `[2] > [1] = [3]` as `[2] > [1] > [3]`: equals keep the order they are written in."""
    if cut:
        answer = _CUT_TIE.sub("", answer)
    return _TIE.sub("] > [", answer)


def numbers(answer: str, k: int, cut: bool) -> str:
    """Writes `2 > 1 > 3` as `[2] > [1] > [3]`; digits elsewhere are no ids."""
    if not _ONLY_NUMBERS.fullmatch(answer):
        return _NUMBERS.sub(lambda chain: _DIGITS.sub(r"[\g<0>]", chain[0]), answer)
    found = _DIGITS.findall(answer)
    if cut and answer[-1].isdigit() and _may_be_longer(found, k):
        answer = answer[: -len(found[-1])]
    return _DIGITS.sub(r"[\g<0>]", answer)


def letters(answer: str, k: int, cut: bool) -> str:
    """Writes `[B] > [A] > [C]` as `[2] > [1] > [3]`; numbers are no ids.

    A number that may mean a passage, `[4] > [B]`, becomes words, as D may have been meant.
    """
    if cut:
        answer = _CUT_LETTER.sub("[", answer)
    if _ONLY_LETTERS.fullmatch(answer):
        answer = re.sub("[A-Z]", r"[\g<0>]", answer)
    answer = _NUMBER_IN_BRACKETS.sub(lambda found: _not_a_letter(found[0], k), answer)
    return _LETTER.sub(lambda found: f"[{ord(found[1].upper()) - ord('A') + 1}]", answer)


def marked(answer: str, k: int, cut: bool) -> str:
    """Drops `[rankstart]` and `[rankend]`; between them, `2 > 1` is a ranking too."""
    if cut:
        answer = _CUT_MARK.sub("", answer)
    inside = _MARK.sub("\n", answer).strip()
    return inside if inside == answer else numbers(inside, k, cut)


def arrays(answer: str, k: int, cut: bool) -> str:
    """Writes `[2, 1, 3]` and `[PASSAGE2, PASSAGE1, PASSAGE3]` as `[2] > [1] > [3]`."""
    if cut and "]" not in answer and _CUT_ARRAY.fullmatch(answer):
        found = _DIGITS.findall(answer)
        if found and answer[-1].isdigit() and _may_be_longer(found, k):
            found.pop()
        return _chain(found)
    return _ARRAY.sub(_ranked, answer)


def _ranked(array: re.Match[str]) -> str:
    if _holds_other_numbers(array):
        return array[0]
    return array["before"] + _chain(_DIGITS.findall(array["ids"]))


def _flat(array: re.Match[str]) -> str:
    if _holds_other_numbers(array):
        return array[0]
    return array["before"] + array["ids"].replace(",", " > ")


def _holds_other_numbers(array: re.Match[str]) -> bool:
    named = array.string[max(0, array.start() - 40) : array.start() + len(array["before"])]
    return _OF_OTHER_NUMBERS.search(named) is not None


def _not_a_letter(bracketed: str, k: int) -> str:
    number = bracketed[1:-1].strip()
    # int() refuses thousands of digits.
    return f"{{{number}}}" if len(number) <= len(str(k)) and 1 <= int(number) <= k else _NONE


def _chain(ids: Sequence[str]) -> str:
    return " > ".join(f"[{number}]" for number in ids)


def _may_be_longer(ids: Sequence[str], k: int) -> bool:
    """Says whether the last id of a cut answer, such as 1, may be the start of another one."""
    last = ids[-1]
    if len(last) >= len(str(k)) or int(last) * 10 > k:
        return False
    # After all others, only this passage is left.
    return not set(range(1, k + 1)) <= {int(one) for one in ids if len(one) <= len(str(k))}
