"""The token ids of lines, put together from the ids of their words, which come again and again.

A SentencePiece BPE joins only what some piece of its vocabulary holds. Where no piece has a space
but at its start, nothing is joined across words; where no piece has letters beside digits or signs,
as in Mistral's, nothing is joined across those either. So a line's ids are those of its parts, and
to find these in a dictionary is ten times faster than to tokenise the line. With other pieces,
lines are tokenised whole.

Ids are kept packed, four bytes each: to join bytes touches no object for each id.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Collection, Iterable, Sequence
from itertools import chain, filterfalse

from rankgen.generator.prompts.tokenizer import TeacherTokenizer

_SPACE = "▁"
_LETTER, _SIGN = "[A-Za-z]", r"[!-@\[-`{-~]"
# Each with the spaces before it: words as they are written, or parted where letters meet signs.
# From a character beyond ASCII on, a word stays whole.
_WORDS = re.compile(" *[^ ]+| +")
_PARTS = re.compile(f" *{_LETTER}+(?=$|{_SIGN}| )| *{_SIGN}+(?=$|{_LETTER}| )|" + _WORDS.pattern)
_MIXED = re.compile(f"{_LETTER}{_SIGN}|{_SIGN}{_LETTER}")
_BYTE = re.compile("<0x[0-9A-F]{2}>")
_REMEMBERED = 200_000


class WordPieces:
    """Tokenises lines by words.

    Args:
        tokenizer: The tokenizer.
        line_break: The ids of a line break alone: those of a text's start, and then the break's.
    """

    def __init__(self, tokenizer: TeacherTokenizer, line_break: Sequence[int]) -> None:
        self._tokenizer = tokenizer
        self._head, self._break = len(line_break), line_break[-1] if line_break else -1
        self._known: dict[str, bytes] = {}
        self._parts = _parts_of_lines(tokenizer) if line_break else None

    def of_lines(self, lines: Sequence[str]) -> list[bytes]:
        """Returns the packed ids of each line, as they are after a line break.

        Args:
            lines: Texts without a line break or a special token.
        """
        if self._parts is None:
            return [packed(self._tokenizer.plain("\n" + line)[self._head :]) for line in lines]
        split = list(map(self._parts.findall, lines))
        if len(self._known) > _REMEMBERED:
            self._known.clear()
        fresh = set(filterfalse(self._known.__contains__, chain.from_iterable(split)))
        if fresh:
            self._learn(sorted(fresh))
        found = self._known.__getitem__
        return [b"".join(map(found, parts)) for parts in split]

    def _learn(self, parts: Sequence[str]) -> None:
        """Tokenises all parts at once, each on a line of its own, and cuts the ids at the breaks.

        No part has the break's id: other characters are pieces, or bytes beyond ASCII.
        """
        ids = self._tokenizer.plain_again("\n" + "\n".join(parts))[self._head :]
        start = 0
        for part in parts[:-1]:
            end = ids.index(self._break, start)
            self._known[part] = packed(ids[start:end])
            start = end + 1
        self._known[parts[-1]] = packed(ids[start:])


def packed(ids: Iterable[int]) -> bytes:
    """Returns token ids as bytes, which can be joined."""
    return array("i", ids).tobytes()


def unpacked(joined: bytes) -> list[int]:
    """Returns the token ids of joined bytes of `packed`."""
    return array("i", joined).tolist()


def _parts_of_lines(tokenizer: TeacherTokenizer) -> re.Pattern[str] | None:
    """Returns the pattern of the smallest parts that no piece reaches across; None for no parts."""
    pieces = _texts(tokenizer.pieces, tokenizer.special_strings)
    if any(_SPACE in piece or ("\n" in piece and piece != "\n") for piece in pieces):
        return None
    return _WORDS if any(map(_MIXED.search, pieces)) else _PARTS


def _texts(pieces: Collection[str], special: Iterable[str]) -> list[str]:
    """Returns the pieces that texts consist of, without the spaces at their start."""
    left_out = set(special)
    return [
        piece.lstrip(_SPACE)
        for piece in pieces
        if piece not in left_out and not _BYTE.fullmatch(piece)
    ]
