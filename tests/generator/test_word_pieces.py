"""Lines tokenised by words: the same ids, whatever the pieces of the vocabulary join."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rankgen.generator.prompts import word_pieces
from rankgen.generator.prompts.tokenizer import BUNDLED, TeacherTokenizer, load_tokenizer
from rankgen.generator.prompts.word_pieces import WordPieces, packed


def made_up(*joined: str) -> TeacherTokenizer:
    """Returns a byte-fallback BPE over single characters, with these pieces of two characters."""
    from tokenizers import Tokenizer, models, normalizers
    from transformers import PreTrainedTokenizerFast

    signs = [f"<0x{byte:02X}>" for byte in range(256)] + list("▁abc.,12é")
    vocabulary = {piece: number for number, piece in enumerate([*signs, *joined])}
    merges = [(piece[0], piece[1]) for piece in joined]
    plain = Tokenizer(models.BPE(vocabulary, merges, byte_fallback=True))
    plain.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    fast = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call, unused-ignore]
        tokenizer_object=plain
    )
    return TeacherTokenizer(fast, "zephyr", "test")


def ids_are_equal(tokenizer: TeacherTokenizer, lines: list[str]) -> bool:
    line_break = tokenizer.plain("\n")
    pieces = WordPieces(tokenizer, line_break)
    whole = [packed(tokenizer.plain("\n" + line)[len(line_break) :]) for line in lines]
    # Again, when every part is known.
    return pieces.of_lines(lines) == whole == pieces.of_lines(lines)


lines = st.lists(st.text(alphabet=" abc.,12é漢\t", max_size=14), min_size=1, max_size=5)


@settings(max_examples=150)
@given(lines)
def test_lines_have_the_ids_of_whole_texts(lines: list[str]) -> None:
    for joined in ((), ("ab", "▁a", "..", "12"), ("a.", "ab"), ("a▁", "ab"), ("é.", "éa")):
        assert ids_are_equal(made_up(*joined), lines)


@pytest.mark.parametrize(
    ("joined", "parts"),
    [("ab", word_pieces._PARTS), ("a.", word_pieces._WORDS), ("2a", word_pieces._WORDS)],
)
def test_lines_are_parted_no_further_than_the_pieces_allow(joined: str, parts: object) -> None:
    tokenizer = made_up(joined)
    assert WordPieces(tokenizer, tokenizer.plain("\n"))._parts is parts


def test_pieces_that_join_words_leave_lines_whole() -> None:
    tokenizer = made_up("a▁")
    assert WordPieces(tokenizer, tokenizer.plain("\n"))._parts is None


def test_mistrals_pieces_join_letters_or_signs() -> None:
    tokenizer = load_tokenizer(BUNDLED, None, "zephyr")
    assert WordPieces(tokenizer, tokenizer.plain("\n"))._parts is word_pieces._PARTS


def test_forgotten_words_are_tokenised_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(word_pieces, "_REMEMBERED", 3)
    tokenizer = made_up("ab")
    assert ids_are_equal(tokenizer, ["a b c ab", "b. 12", "c,, é"])
