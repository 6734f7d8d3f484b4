"""How a passage's text enters a prompt: mended, cut to words, with no bracketed numbers of its own.

The steps and their order are rank_llm's (0.12.8 and 0.25.7 agree on them).
"""

from __future__ import annotations

import re
from functools import lru_cache

_BRACKETED = re.compile(r"\[(\d+)\]")
# One labelled query shows each passage in two windows; a shard shows popular ones in many queries.
_REMEMBERED = 20_000


@lru_cache(maxsize=_REMEMBERED)
def prepare_passage(title: str, text: str, words: int) -> str:
    """Returns the passage as one line.

    Args:
        title: Put in front as "Title: ... Content: ..." unless empty.
        text: The passage.
        words: Most words kept, at least 0; words are what white space separates.
    """
    from ftfy import fix_text

    content = f"Title: {title} Content: {text}" if title else text
    mended = fix_text(content.strip())
    return _BRACKETED.sub(r"(\1)", " ".join(mended.split()[:words]))


def tidy_lines(text: str) -> str:
    """Returns `text` mended line by line a second time, as rank_llm mends its whole prompt.

    There the prompt starts with `<|system|>`, at whose `<` ftfy stops un-escaping HTML for the
    rest of the text; hence the switch. ftfy works line by line, so a message mended alone comes out
    as it does within the prompt.
    """
    from ftfy import fix_text

    return str(fix_text(text, unescape_html=False))
