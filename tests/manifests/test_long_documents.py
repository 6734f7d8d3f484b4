"""The rule for long documents: where chunks begin and end, and which one a teacher is shown."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rankgen.manifests.errors import UsageError
from rankgen.manifests.long_documents.chunked import chunked, document_of
from rankgen.manifests.long_documents.rule import ChunkRule, Counts, rule_of
from rankgen.manifests.long_documents.settings import LongDocumentSettings
from rankgen.manifests.long_documents.shown import best_chunk, shown_chunk
from rankgen.manifests.long_documents.words import LONGEST_WORD, terms, word_starts
from rankgen.manifests.records import Document
from rankgen.manifests.validation import validated

PIECES = [
    "moon ",
    "water",
    " ",
    "\n\n",
    "salt,",
    "日本",
    "ไทย",
    "x" * 70,
    "e\u0301",
    "😀",
    "\u3000",
]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=60).map("".join) | st.text(max_size=80)


@st.composite
def rules(draw: st.DrawFn) -> ChunkRule:
    words = draw(st.integers(1, 12))
    counts: Counts = draw(st.sampled_from(("first", "max", "mean")))
    return ChunkRule(counts, words, draw(st.integers(0, words - 1)), draw(st.integers(1, 8)))


@given(rules(), TEXTS)
@example(ChunkRule("max", 3, 1, 4), "")
@example(ChunkRule("max", 3, 1, 4), " \n ")
def test_chunks_cover_the_text_and_share_exactly_the_overlap(rule: ChunkRule, text: str) -> None:
    spans = rule.spans(text)
    starts = list(word_starts(text))
    assert spans == rule.spans(text)
    assert 1 <= len(spans) <= rule.read
    assert spans[0][0] == 0
    # No gap between two chunks; whatever is not read follows the last of as many as may be read.
    assert all(later[0] <= one[1] for one, later in itertools.pairwise(spans))
    assert spans[-1][1] == len(text) or len(spans) == rule.read
    words = [[place for place in starts if begin <= place < end] for begin, end in spans]
    assert all(len(held) == rule.words for held in words[:-1])
    assert len(words[-1]) <= rule.words
    for one, later in itertools.pairwise(words):
        assert one[len(one) - rule.overlap :] == later[: rule.overlap]
        # The last chunk too has something new.
        assert later[-1] > one[-1]
    reading = rule.read_of(Document("d", "", text))
    assert reading.is_whole == (spans[-1][1] == len(text))
    assert [chunk.text for chunk in reading.chunks] == (
        [text] if spans == [(0, len(text))] else [text[a:b].strip() for a, b in spans]
    )


@given(rules(), TEXTS, st.sampled_from(["", "a title", "one two three four five"]))
def test_a_title_stands_before_every_chunk_or_is_cut_like_the_text(
    rule: ChunkRule, text: str, title: str
) -> None:
    document = Document("d", title, text)
    assert document_of("d", document.contents, title) == document
    read = chunked(rule, {"d": document.contents}, {"d": title} if title else {})
    texts = [read.texts[key] for key in read.keys["d"]]
    if len(texts) == 1 and rule.counts != "first" and rule.most > 1:
        assert texts == [document.contents]
    elif title and len(title.split()) <= rule.words * 0.25:
        assert all(one.startswith(title) for one in texts)
    else:
        assert texts[0].startswith((title, " ".join(title.split()[: rule.words])))
        assert not title or len(texts) == 1 or not texts[-1].startswith(f"{title} ")


def test_words_are_counted_the_same_in_every_script() -> None:
    def words(text: str) -> list[str]:
        starts = [*word_starts(text), len(text)]
        return [text[a:b].strip() for a, b in itertools.pairwise(starts)]

    assert words(" two words\n") == ["two", "words"]
    assert words("日本語 and\u3000東京") == ["日", "本", "語", "and", "東", "京"]
    assert words("y" * (LONGEST_WORD + 1)) == ["y" * LONGEST_WORD, "y"]
    assert terms("\uff33alt, SALT!") == ["salt", "salt"]


def test_a_megabyte_is_read_no_further_than_needed() -> None:
    rule = ChunkRule("max", 160, 40, 16)
    for text in ("word " * 200_000, "w" * 1_000_000, "語" * 1_000_000):
        spans = rule.spans(text)
        assert len(spans) == 16
        assert spans[-1][1] < 100_000
    assert not rule.read_of(Document("d", "", "word " * 200_000)).is_whole
    every = ChunkRule("max", 160, 40, 10**6).spans("word " * 200_000)
    assert (len(every), every[-1][1]) == (1667, 1_000_000)
    assert ChunkRule("max", 160, 40, 16).spans(" " * 1_000_000) == [(0, 1_000_000)]


def test_the_teacher_is_shown_the_chunk_with_the_query_or_the_first() -> None:
    text = " ".join([*["rain"] * 20, "salt", "mine", *["rain"] * 9, "salt", *["snow"] * 8])
    for number, (begin, end) in enumerate(ChunkRule("max", 10, 2, 9).spans(text)):
        if "salt mine" in text[begin:end]:
            planted = number
            break
    for counts in ("max", "mean"):
        rule = ChunkRule(counts, 10, 2, 9)
        number, shown = shown_chunk(rule, "Where is the SALT mine?", Document("d", "t", text))
        assert number == planted
        assert (shown.doc_id, shown.title) == ("d", "t")
        assert "salt mine" in shown.text
    first, shown = shown_chunk(ChunkRule("first", 10, 2, 9), "salt mine", Document("d", "", text))
    assert (first, shown.text) == (0, " ".join(["rain"] * 10))
    # Without a word of the query, and of equals, the earliest.
    assert best_chunk("pepper", ["a b", "c d"]) == 0
    assert best_chunk("salt", ["a b", "salt c", "salt d"]) == 1
    # A word that all chunks have says less than a rare one.
    assert best_chunk("the mine", ["the the the a", "the mine b c", "the the d e"]) == 1


def test_a_rule_is_written_and_read() -> None:
    rule = ChunkRule("mean", 100, 30, 5)
    assert rule_of(rule.as_values()) == rule
    assert rule_of({"other": 1}) is None
    for damage in ({"chunk_overlap": 100}, {"chunk_words": None}, {"long_documents": "cut"}):
        with pytest.raises(ValueError, match="a rule for long documents"):
            rule_of(rule.as_values() | damage)


def test_options_are_checked_and_completed() -> None:
    def rule(**given: object) -> ChunkRule | None:
        return validated(LongDocumentSettings, given, "label").chunk_rule

    assert rule() is rule(long_documents="cut") is None
    assert rule(long_documents="max") == ChunkRule("max", 160, 40, 16)
    assert rule(long_documents="mean", chunk_words=8) == ChunkRule("mean", 8, 2, 16)
    with pytest.raises(UsageError, match="cannot share 8 of them"):
        rule(long_documents="max", chunk_words=8, chunk_overlap=8)
    with pytest.raises(UsageError, match="most_chunks is for chunks"):
        rule(most_chunks=3)
    with pytest.raises(UsageError, match="chunk_words"):
        rule(long_documents="max", chunk_words=0)
