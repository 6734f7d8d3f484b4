"""Words as chunks count them: the same for every tokenizer, and in scripts without spaces too."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

# Longer runs without a space, such as encoded data, are several words.
LONGEST_WORD = 30
# Scripts that are written without spaces: Thai, Lao, Burmese, Khmer, Chinese and Japanese. Each of
# their characters is a word.
_SPACELESS = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u2fff\u3001-\u312f\u31a0-\u9fff"
    "\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
)
WORD = re.compile(rf"[{_SPACELESS}]|[^\s{_SPACELESS}]{{1,{LONGEST_WORD}}}")
_TERM = re.compile(rf"[{_SPACELESS}]|[^\W{_SPACELESS}]+")


def word_starts(text: str) -> Iterator[int]:
    """Yields where the words of a text begin, in characters."""
    return (word.start() for word in WORD.finditer(text))


def terms(text: str) -> list[str]:
    """Returns the words of a text without case, punctuation and compatibility forms."""
    return _TERM.findall(unicodedata.normalize("NFKC", text).casefold())
