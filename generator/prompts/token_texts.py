"""The texts of the tokens that rankings are made of, so that answers are read without decoding.

Decoding an answer token by token, as vLLM does for streams, costs most of the time that an answer
takes outside of the model. The tokens of a ranking are few, and each has the same text wherever it
stands; a table of them reads clean answers, and whatever is not in it is decoded.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rankgen.generator.answers.formats import AnswerFormat
from rankgen.generator.answers.leading import ids_text

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_ANCHOR = "a"
# vLLM starts a new stream where the text so far is no longer the beginning of the text.
_NO_PREFIX = "Invalid prefix encountered"
_WHITE_SPACE = " \t\n\r"
_MOST_PASSAGES = 26


def alphabet(form: AnswerFormat) -> frozenset[str]:
    """Returns the characters that clean answers consist of."""
    assert form.spelling is not None
    spelling = form.spelling
    ids = "ABCDEFGHIJKLMNOPQRSTUVWXYZ" if form.uses_letters else "0123456789"
    signs = spelling.begin + spelling.before + spelling.after + spelling.between
    return frozenset(ids + signs + _WHITE_SPACE)


def token_texts(tokenizer: Tokenizer, characters: frozenset[str]) -> dict[int, str]:
    """Returns token id -> text within an answer, for the tokens of these characters alone.

    Args:
        tokenizer: A tokenizer of the package tokenizers.
        characters: See `alphabet`.
    """
    anchor = tokenizer.encode(_ANCHOR, add_special_tokens=False).ids[-1:]
    before = tokenizer.decode(anchor)
    ids = sorted(tokenizer.get_vocab(with_added_tokens=False).values())
    decoded = tokenizer.decode_batch([[*anchor, one] for one in ids])
    texts = (text.removeprefix(before) for text in decoded)
    pairs = zip(ids, texts, strict=True)
    return {one: text for one, text in pairs if text and characters.issuperset(text)}


class AnswerTexts:
    """Turns the output ids of one model into text.

    Args:
        tokenizer: The model's tokenizer.
        form: The format of its answers.

    Attributes:
        table: Token id -> text; empty if the tokenizer is not read so.
    """

    def __init__(self, tokenizer: Tokenizer, form: AnswerFormat) -> None:
        self._tokenizer = tokenizer
        self.table: Mapping[int, str] = {}
        if form.spelling is not None:
            table = token_texts(tokenizer, alphabet(form))
            self.table = table if _reads(tokenizer, table, form) else {}

    def text(self, prompt_ids: Sequence[int], output_ids: Sequence[int]) -> str:
        """Returns the text of an answer.

        Args:
            prompt_ids: The prompt, which may decide how the answer begins.
            output_ids: The answer, without a token that ended it.
        """
        try:
            return "".join(map(self.table.__getitem__, output_ids))
        except KeyError:
            return self.decoded(prompt_ids, output_ids)

    def decoded(self, prompt_ids: Sequence[int], ids: Sequence[int]) -> str:
        """Decodes as vLLM does, so that the texts that runs keep are the same."""
        from tokenizers.decoders import DecodeStream

        stream, parts = DecodeStream(ids=list(prompt_ids), skip_special_tokens=True), list[str]()
        for one in ids:
            try:
                part = stream.step(self._tokenizer, one)
            except Exception as error:  # The package raises nothing narrower.
                if not str(error).startswith(_NO_PREFIX):
                    raise
                stream = DecodeStream(skip_special_tokens=True)
                part = stream.step(self._tokenizer, one)
            parts.append(part or "")
        return "".join(parts)


def _reads(tokenizer: Tokenizer, table: Mapping[int, str], form: AnswerFormat) -> bool:
    """Says whether the table gives back the texts of some rankings."""
    chance = random.Random(0)
    names = [form.identifier(rank) for rank in range(1, _MOST_PASSAGES + 1)]
    for _ in range(8):
        text = ids_text(form, chance.sample(names, len(names)))
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        # SentencePiece puts a space in front of every text.
        if "".join(table.get(one, "?") for one in ids).strip() != text:
            return False
    return True
