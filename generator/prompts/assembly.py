"""Assembles the token ids of a prompt from lines whose ids are cached.

A passage occurs in about two windows of many queries, and tokenising whole prompts would take most
of the time per window. With a SentencePiece BPE no piece spans a line break or contains a space
after another character, so lines, and a passage after its number, can be tokenised separately; a
new line is put together from words (`word_pieces`). This is checked when the assembler is created
and again on the first prompts; if it does not hold, whole prompts are tokenised.
"""

from __future__ import annotations

import re
from collections import OrderedDict

from rankgen.generator.prompts.tokenizer import TeacherTokenizer
from rankgen.generator.prompts.word_pieces import WordPieces

_NUMBERED = re.compile(r"(\[\d+\])( \S.*)", re.DOTALL)
_CHECKED_PROMPTS = 32
_REMEMBERED, _REMEMBERED_STARTS = 20_000, 1000
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
        self._special_ids = {
            text: tuple(tokenizer.plain(text))[-1:] for text in tokenizer.special_strings
        }
        longest_first = sorted(self._special_ids, key=len, reverse=True)
        pattern = "|".join(re.escape(text) for text in longest_first)
        self._special = re.compile(f"({pattern})") if pattern else None
        self._remembered: OrderedDict[str, tuple[int, ...]] = OrderedDict()
        self._starts: dict[str, tuple[int, ...]] = {}
        self._left_to_check = _CHECKED_PROMPTS
        self._break = tuple(tokenizer.plain("\n"))
        # SentencePiece puts a space in front of every text, here before the line break.
        self.in_use = len(self._break) == 2 and len(tokenizer.plain("\n\n")) == 3
        self._begin = tuple(tokenizer.encode("a")[: -len(tokenizer.plain("a"))])
        self._words = WordPieces(tokenizer, self._break)
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
        pieces: list[str | tuple[int, ...]] = [self._begin]
        parts = self._special.split(prompt) if self._special else [prompt]
        for part in parts:
            if part in self._special_ids:
                pieces.append(self._special_ids[part])
            elif part:
                self._add_segment(pieces, part)
        texts = [piece for piece in pieces if isinstance(piece, str)]
        self._learn([text for text in texts if text not in self._remembered])
        ids = list[int]()
        for piece in pieces:
            ids += self._remembered[piece] if isinstance(piece, str) else piece
        self._forget(texts)
        return ids

    def _add_segment(self, pieces: list[str | tuple[int, ...]], segment: str) -> None:
        first, *rest = segment.split("\n")
        if first:
            pieces.append(self._start(first))
        elif rest:
            pieces.append(self._break[:1])
        for line in rest:
            pieces.append(self._break[1:])
            numbered = _NUMBERED.fullmatch(line)
            pieces += [part for part in (numbered.groups() if numbered else (line,)) if part]

    def _start(self, text: str) -> tuple[int, ...]:
        """Returns the ids of the first line of a segment; a chat format has few."""
        known = self._starts.get(text)
        if known is None:
            if len(self._starts) >= _REMEMBERED_STARTS:
                self._starts.clear()
            known = self._starts[text] = tuple(self._tokenizer.plain(text))
        return known

    def _learn(self, texts: list[str]) -> None:
        """Remembers the ids of texts that are not the start of a segment."""
        fresh = list(dict.fromkeys(texts))
        self._remembered.update(zip(fresh, self._words.of_lines(fresh), strict=True))

    def _forget(self, used: list[str]) -> None:
        for text in used:
            self._remembered.move_to_end(text)
        while len(self._remembered) > _REMEMBERED:
            self._remembered.popitem(last=False)
