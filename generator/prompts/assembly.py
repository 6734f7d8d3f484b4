"""Assembles the token ids of a prompt from lines whose ids are cached.

A passage occurs in about two windows of many queries, and tokenising whole prompts would take most
of the time per window. With a SentencePiece BPE no piece spans a line break or contains a space
after another character, so lines, and a passage after its number, can be tokenised separately; a
new line is put together from words (`word_pieces`). This is checked when the assembler is created
and again on the first prompts; if it does not hold, whole prompts are tokenised.
"""

from __future__ import annotations

import re
from collections import deque

from rankgen.generator.prompts.tokenizer import TeacherTokenizer
from rankgen.generator.prompts.word_pieces import WordPieces, packed, unpacked

_NUMBERED = re.compile(r"(\[\d+\])( \S.*)", re.DOTALL)
_CHECKED_PROMPTS = 32
_REMEMBERED = 20_000
# Names of pieces that no line can have. The first line of a segment has a space before it.
_BEGIN, _BREAK, _SPACE, _START = "", "\n", "\n\n", "\n"
_PROBES = (
    "<|system|>\nYou are</s>\n<|user|>\nRank  the 2 passages: what is é?.\n\n[1] A ☃ \U0001d4b3 b\n"
    "[2] (3)  two  spaces\n[12] 漢字 x\nSearch</s>\n<|assistant|>\n",
    "x\n[1] \n[2] a</s>b\n[3] <s> > [1]\n[4] </s>\n",
    "\n\n [1] a\t b\n",
)


class LineAssembler:
    """Encodes prompts line by line, equal to `TeacherTokenizer.encode`."""

    def __init__(self, tokenizer: TeacherTokenizer) -> None:
        self._tokenizer = tokenizer
        self._specials = frozenset(tokenizer.special_strings)
        longest_first = sorted(self._specials, key=len, reverse=True)
        pattern = "|".join(re.escape(text) for text in longest_first)
        self._special = re.compile(f"({pattern})") if pattern else None
        around = tuple(tokenizer.plain("\n"))
        # By the text of each piece. What begins with a line break is no line: see `_START`.
        self._ids = {text: packed(tokenizer.plain(text)[-1:]) for text in self._specials}
        self._ids[_BEGIN] = packed(tokenizer.encode("a")[: -len(tokenizer.plain("a"))])
        self._ids[_SPACE], self._ids[_BREAK] = packed(around[:1]), packed(around[1:])
        # Of the others, the oldest are forgotten: a window's passages come again soon or never.
        self._remembered: deque[str] = deque()
        self._left_to_check = _CHECKED_PROMPTS
        # SentencePiece puts a space in front of every text, here before the line break.
        self.in_use = len(around) == 2 and len(tokenizer.plain("\n\n")) == 3
        self._words = WordPieces(tokenizer, around)
        self.in_use = self.in_use and all(
            self._assembled(probe) == tokenizer.encode(probe) for probe in _PROBES
        )

    def encode(self, prompt: str) -> list[int]:
        """Returns the ids of the whole prompt, beginning token included."""
        if not self.in_use:
            return self._tokenizer.encode(prompt)
        if not self._left_to_check:
            return self._assembled(prompt)
        self._left_to_check -= 1
        whole = self._tokenizer.encode(prompt)
        self.in_use = self._assembled(prompt) == whole
        return whole

    def _assembled(self, prompt: str) -> list[int]:
        pieces = [_BEGIN]
        for part in self._special.split(prompt) if self._special else [prompt]:
            if part in self._specials:
                pieces.append(part)
            elif part:
                _add_segment(pieces, part)
        self._learn([piece for piece in pieces if piece not in self._ids])
        ids = unpacked(b"".join(map(self._ids.__getitem__, pieces)))
        while len(self._remembered) > _REMEMBERED:
            del self._ids[self._remembered.popleft()]
        return ids

    def _learn(self, pieces: list[str]) -> None:
        """Remembers the ids of pieces: lines, parts of lines, and the starts of segments."""
        fresh = list(dict.fromkeys(pieces))
        lines = [piece for piece in fresh if not piece.startswith(_START)]
        self._ids.update(zip(lines, self._words.of_lines(lines), strict=True))
        for piece in fresh:
            if piece.startswith(_START):
                self._ids[piece] = packed(self._tokenizer.plain(piece.removeprefix(_START)))
        self._remembered.extend(fresh)


def _add_segment(pieces: list[str], segment: str) -> None:
    """Adds what stands between two special tokens, or before the first or after the last."""
    first, *rest = segment.split("\n")
    if first:
        pieces.append(_START + first)
    elif rest:
        pieces.append(_SPACE)
    for line in rest:
        pieces.append(_BREAK)
        numbered = _NUMBERED.fullmatch(line)
        if numbered:
            pieces += numbered.groups()
        elif line:
            pieces.append(line)
