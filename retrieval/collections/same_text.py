"""When two texts say the same: word by word, whatever their case, punctuation and white space."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter

from rankgen.manifests.records import Document, Query

# Scripts that write no spaces between words count by the character.
_WORDS = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W\u3040-\u30ff\u3400-\u9fff]+")
_CONTAINED_WORDS = 3
_OVERLAP = 0.8


def words_of(text: str) -> list[str]:
    """Returns the words of a text, folded to lower case and to one form of each character."""
    return _WORDS.findall(unicodedata.normalize("NFKC", text).casefold())


def text_keys(document: Document) -> frozenset[bytes]:
    """Returns 16-byte keys; two documents say the same where they share one.

    One is that of the text, the other that of title and text, so that a title that stands apart
    here and in the text there makes no difference. A document without words has none.
    """
    texts = {" ".join(words_of(text)) for text in (document.text, document.contents)}
    return frozenset(hashlib.blake2b(t.encode(), digest_size=16).digest() for t in texts if t)


def is_query_itself(query: Query, document: Document) -> bool:
    """Says whether a document of the query's id is the query itself.

    It is where the query's words are those of its title, its text or both; where one text (of at
    least three words) stands whole in the other; or where the words that they share are at least
    0.8 of both together (Dice's coefficient, repeated words counted). Collections that number both
    queries and documents from 1 share ids by chance, and their texts have nothing in common.
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
