"""ftfy's repair of texts, without calling it for texts whose repair is simple.

Most passages are plain ASCII, and ftfy changes nothing; most others have a few harmless characters,
curly quotes, or UTF-8 that was once read as Latin-1. ftfy takes a twentieth of a millisecond for
each of the first and a fifth for each of the others: the most of all work outside the engine.

Its steps either decode wrong encodings, which it does only in a text that `is_bad`, or replace
characters one by one, or HTML entities, which begin with "&", or compose accents (NFC). It repeats
them until they change nothing. So what happens to a text that is not bad, or no longer, is known
from its characters, and what ftfy has repaired once it leaves as it is, also behind a passage's
number: it judges characters by at most a few others beside them.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_CONTROL = re.compile(r"[^\t\n -~]")
_NUMBERED = re.compile(r"\[\d+\] ([^\n]+)\n")
_UNUSUAL = re.compile(r"[^\t -~]")
_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]")
# ftfy's patterns look at four characters at most.
_EDGE = 8
_REMEMBERED = 20_000
# Repaired texts in order of their repair; only those that are not plain.
_repaired: dict[str, None] = {}


def is_plain(text: str) -> bool:
    """Says whether a text is printable ASCII, tabs and line breaks."""
    # Four times as fast as to match the whole text.
    return text.isascii() and _CONTROL.search(text) is None


def mended(text: str) -> str:
    """Returns `ftfy.fix_text(text)`."""
    if "&" not in text and is_plain(text):
        return text
    found = _simply_mended(text)
    if found is None:
        from ftfy import fix_text

        found = str(fix_text(text))
    if is_plain(found[:_EDGE] + found[-_EDGE:]) and "\n" not in found:
        _repaired[found] = None
        if len(_repaired) > _REMEMBERED:
            del _repaired[next(iter(_repaired))]
    return found


def mended_but_for_html(text: str) -> str:
    """Returns `ftfy.fix_text(text, unescape_html=False)`, which works line by line."""
    if is_plain(text):
        return text
    *lines, last = text.split("\n")
    # Each with its end: a carriage return before it is part of it.
    return "".join([_mended_line(f"{line}\n") for line in lines]) + _mended_line(last)


def _mended_line(line: str) -> str:
    if is_plain(line):
        return line
    numbered = _NUMBERED.fullmatch(line)
    if numbered and numbered[1] in _repaired:
        return line
    return _fixed(line)


@lru_cache(maxsize=_REMEMBERED)
def _fixed(line: str) -> str:
    body = line.removesuffix("\n")
    found = None if "&" in body else _simply_mended(body)
    if found is not None:
        return found + line[len(body) :]
    from ftfy import fix_text

    return str(fix_text(line, unescape_html=False))


def _simply_mended(text: str) -> str | None:
    """Returns the repaired line if its repair is one of the two frequent ones, else None."""
    decoded = _decoded(text) if _is_bad(text) else text
    if decoded is None or "&" in decoded or _is_bad(decoded):
        return None
    found = decoded
    for sign in {*_UNUSUAL.findall(decoded)}:
        image = _image(sign)
        if image is None:
            return None
        if image != sign:
            found = found.replace(sign, image)
    found = unicodedata.normalize("NFC", found)
    if found == decoded or found.isascii():
        return found
    if _is_bad(found) or any(_image(sign) != sign for sign in _UNUSUAL.findall(found)):
        return None
    return found


def _is_bad(text: str) -> bool:
    """Returns ftfy's `is_bad(text)`, for which it need only look around what is beyond ASCII."""
    start = end = 0
    for sign in _BEYOND_ASCII.finditer(text):
        place = sign.start()
        if place - _EDGE > end:
            if _looks_bad(text, start, end):
                return True
            start = place - _EDGE
        start, end = max(0, start), place + _EDGE
    return _looks_bad(text, start, end)


def _looks_bad(text: str, start: int, end: int) -> bool:
    if start == end:
        return False
    from ftfy.badness import is_bad

    return bool(is_bad(text[start:end]))


def _decoded(text: str) -> str | None:
    """Returns what a text in UTF-8 says that was read as Latin-1, as in MS MARCO; else None."""
    from ftfy.chardata import ALTERED_UTF8_RE

    try:
        encoded = text.encode("latin-1")
        # ftfy looks further at bytes that may be a damaged or another kind of UTF-8.
        if ALTERED_UTF8_RE.search(encoded) or b"\xed" in encoded or b"\xc0" in encoded:
            return None
        return encoded.decode("utf-8")
    except UnicodeError:
        return None


@lru_cache(maxsize=_REMEMBERED)
def _image(sign: str) -> str | None:
    """Returns what ftfy makes of a character among ASCII; None if that depends on others."""
    if sign.isascii():  # a control character
        return None
    from ftfy import fix_text
    from ftfy.badness import is_bad

    around = f"a {sign} a"
    if is_bad(around):
        return None
    image = str(fix_text(around))[2:-2]
    # An ampersand may begin an HTML entity.
    return image if image == sign or (is_plain(image) and "&" not in image) else None
