"""Proof that a model is shown both texts of a pair, whatever its template does to them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rankgen.manifests.errors import UsageError

_QUERY, _OTHER_QUERY = "how do plants eat", "seven old bridges"
# They end differently, so that what they share at the end is the template's.
_PASSAGE, _OTHER_PASSAGE = "light becomes sugar", "Rome was not built in a week"
# Of three words each, of different letters and scripts.
_UNLIKE = (_PASSAGE, "seven old bridges", "1 2 3", "\u65e5 \u672c \u8a9e")
_MANY_WORDS = 20_000
_HINT = "its template does not fit rankgen's pairs: choose another model"


def refuse_lost_texts(who: str, token_ids: Callable[[str, str], Sequence[int]]) -> None:
    """Checks a model's input for probes.

    A template that reads other roles than "query" and "document" shows no text at all, and gives
    every pair one plausible score, as does a tokenizer without a vocabulary, which transformers
    makes up for a folder that lacks its files; and a cut at the end of a long prompt removes the
    question that a causal model is to answer.

    Args:
        who: Names the model in the message.
        token_ids: Returns what the model is given for a query and a passage.

    Raises:
        UsageError: A text, or what follows a long passage, is left out.
    """
    both = token_ids(_QUERY, _PASSAGE)
    other = token_ids(_QUERY, _OTHER_PASSAGE)
    if both == token_ids(_OTHER_QUERY, _PASSAGE):
        raise UsageError(f"{who} is not shown the query", _HINT)
    if both == other:
        raise UsageError(f"{who} is not shown the passage", _HINT)
    if len({tuple(token_ids(_QUERY, text)) for text in _UNLIKE}) == 1:
        raise UsageError(
            f"{who} reads all words alike, as its tokenizer knows none",
            "put the tokenizer's files into the model's folder",
        )
    end = _common_end(both, other)
    long = token_ids(_QUERY, "word " * _MANY_WORDS)
    if end and list(long[-end:]) != list(both[-end:]):
        raise UsageError(
            f"{who} is not shown what follows a long passage, because its tokenizer cuts it",
            "choose another model, or a longer --context-size",
        )


def _common_end(one: Sequence[int], other: Sequence[int]) -> int:
    """Returns how many tokens both have at their end."""
    same = 0
    for left, right in zip(reversed(one), reversed(other), strict=False):
        if left != right:
            return same
        same += 1
    return same
