"""ftfy's repairs without ftfy: equal to its own, on texts made to tell them apart."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ftfy import fix_text
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rankgen.generator.prompts.mending import _simply_mended, mended, mended_but_for_html
from rankgen.generator.prompts.passages import prepare_passage

CURLY = "it\u2019s \u201csaid\u201d \u2013 50 \u00b0C"
MISREAD = CURLY.encode().decode("latin-1")
SIGNS = " ab\t\n\r\x0c\x1b&;<>é\u2019\u201c\u2013\u2028\u0301\uff26\ufb01\ufeff\u200b\u212b\ud800"
# Lead and following bytes of UTF-8, as Latin-1 and as Windows-1252 show them.
BYTES = "\u00c3\u00c2\u00e2\u00ed\u00c0\u0080\u0099\u00a9\u00a0\u20ac\u2122\u0153\ufffd"

texts = st.one_of(
    st.text(alphabet=st.sampled_from(SIGNS + BYTES), max_size=12),
    st.text(max_size=40),
    st.text(max_size=20).map(lambda text: text.encode("utf-8", "ignore").decode("latin-1")),
    st.text(alphabet=st.sampled_from("é\u2019\u0301\u00a0\ufb01 \u00c3"), max_size=8).map(
        lambda text: text.encode().decode("latin-1")
    ),
)


@settings(max_examples=600)
@given(texts)
@example("a\u030a \u212b")
@example("\uff06lt; x")
@example("&lt;p&gt; \u00e2\u0080\u0099")
@example("\u00c3\u00a9\r")
@example("\x1a \u00c3\u00a9")
@example("a\u0302\u20ac\u2013 is composed to another misreading")
@example("\u221a\u00b1 was misread twice".encode().decode("latin-1"))
def test_texts_are_mended_as_ftfy_mends_them(text: str) -> None:
    assert mended(text) == fix_text(text)
    assert mended_but_for_html(text) == fix_text(text, unescape_html=False)


@settings(max_examples=200)
@given(texts, st.integers(1, 20))
@example("\u00d1\u00a3 looks misread after a space alone", 3)
def test_lines_of_mended_passages_are_as_ftfy_leaves_them(text: str, number: int) -> None:
    passage = prepare_passage("", text, 300)
    for around in (passage, f"some words {passage} and others"):
        lines = f"Rank them.\n[{number}] {prepare_passage('', around, 300)}\nNow."
        assert mended_but_for_html(lines) == fix_text(lines, unescape_html=False)


@pytest.mark.parametrize("text", [CURLY, MISREAD])
def test_the_frequent_repairs_are_made_here(text: str) -> None:
    assert _simply_mended(text) == fix_text(text) == 'it\'s "said" \u2013 50 \u00b0C'


@pytest.mark.data
def test_real_passages_are_mended_alike(test_data: Path) -> None:
    lines = (test_data / "msmarco-dl19" / "corpus.jsonl").read_text(encoding="utf-8").split("\n")
    passages = [json.loads(line)["text"].strip() for line in lines if line]
    damaged = [passage for passage in passages if not passage.isascii()]
    assert len(damaged) > 1000
    assert [mended(passage) for passage in damaged] == list(map(fix_text, damaged))
    by_ftfy = sum(_simply_mended(passage) is None for passage in damaged)
    assert by_ftfy < 0.1 * len(damaged)
