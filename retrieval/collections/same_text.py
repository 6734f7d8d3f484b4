"""Compares texts word by word, ignoring case, punctuation and white space."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter

from rankgen.manifests.records import Document, Query

# In scripts without spaces between words every character counts as a word.
_WORDS = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W\u3040-\u30ff\u3400-\u9fff]+")
_CONTAINED_WORDS = 3
_OVERLAP = 0.8


def words_of(text: str) -> list[str]:
    """Returns the words of a text, normalised (NFKC) and case-folded."""
    return _WORDS.findall(unicodedata.normalize("NFKC", text).casefold())


def text_keys(document: Document) -> frozenset[bytes]:
    """Returns 16-byte keys; two documents have the same text if they share a key.

    One key covers the text and the other title and text, so that it makes no difference whether a
    title is separate or part of the text. A document without words has no keys.
    """
    texts = {" ".join(words_of(text)) for text in (document.text, document.contents)}
    return frozenset(hashlib.blake2b(t.encode(), digest_size=16).digest() for t in texts if t)


def is_query_itself(query: Query, document: Document) -> bool:
    """Tells whether a document that has the query's id is the query itself.

    It is if the query's words are those of its title, its text or both; if one text (of at least
    three words) is contained in the other; or if Dice's coefficient of their words, repeated words
    counted, is at least 0.8. Collections that number both queries and documents from 1 share ids
    by chance; there the texts have nothing in common.
    """
    asked = words_of(query.text)
    return any(
        _says_the_same(asked, words_of(text))
        for text in (document.text, document.contents, document.title)
    )


def _says_the_same(one: list[str], other: list[str]) -> bool:
    if not one or not other:
        return False
    if one == other:
        return True
    shorter, longer = sorted((one, other), key=len)
    if len(shorter) >= _CONTAINED_WORDS and f" {' '.join(shorter)} " in f" {' '.join(longer)} ":
        return True
    shared = (Counter(one) & Counter(other)).total()
    return 2 * shared / (len(one) + len(other)) >= _OVERLAP
