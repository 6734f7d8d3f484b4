"""Prepares a passage for a prompt: repairs the text, limits its words, rewrites its `[1]`.

The steps and their order are those of rank_llm (0.12.8 and 0.25.7 agree on them).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from rankgen.generator.prompts.mending import mended, mended_but_for_html
from rankgen.manifests.records import Document

WORDS_AT_20 = 300
_BRACKETED = re.compile(r"\[(\d+)\]")
# A query has each passage in about two windows, and a shard has popular ones in many queries.
_REMEMBERED = 20_000


@lru_cache(maxsize=_REMEMBERED)
def prepare_passage(title: str, text: str, words: int) -> str:
    """Returns the passage as one line.

    Args:
        title: Added as "Title: ... Content: ..." unless empty.
        text: The passage.
        words: Limit on the words kept, at least 0; words are separated by white space.
    """
    content = f"Title: {title} Content: {text}" if title else text
    whole = mended(content.strip())
    line = whole if _is_a_line(whole, words) else " ".join(whole.split()[:words])
    # Few passages have a bracket, and to look for one takes a fortieth of the pattern's time.
    return _BRACKETED.sub(r"(\1)", line) if "[" in line else line


def _is_a_line(text: str, words: int) -> bool:
    """Says whether a text is words with one space between them, few enough."""
    # All other white space counts as unprintable.
    has_single_spaces = text.isprintable() and "  " not in text and text[-1:] != " " != text[:1]
    return has_single_spaces and text.count(" ") < words


def word_cap(k: int, words_at_20: int = WORDS_AT_20) -> int:
    """Returns the words kept of each passage in a window of k, in proportion to one of 20."""
    return int(words_at_20 * (20 / k))


def prepare_passages(documents: Sequence[Document], words_at_20: int = WORDS_AT_20) -> list[str]:
    """Returns the passages of a window, each with the words that its size leaves."""
    cap = word_cap(len(documents), words_at_20)
    return [prepare_passage(document.title, document.text, cap) for document in documents]


def tidy_lines(text: str) -> str:
    """Returns `text` repaired once more, as rank_llm repairs its whole prompt.

    Its prompts start with `<|system|>`, and ftfy stops un-escaping HTML at the first `<`; hence the
    switch. ftfy works line by line, so a message alone is repaired as within the prompt.
    """
    return mended_but_for_html(text)
