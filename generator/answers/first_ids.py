"""Reads an answer of which no more than its first ids is needed."""

from __future__ import annotations

from rankgen.generator.answers.leading import leading_ids
from rankgen.generator.answers.outcomes import WindowOutcome
from rankgen.generator.answers.permutation import ParsedAnswer, ReadingRules


def parse_leading(
    text: str, k: int, first: int, *, cut_by_length: bool, rules: ReadingRules | None = None
) -> ParsedAnswer | None:
    """Reads the first ids of an answer to which no more is needed; None if they are not clean.

    The other passages follow in input order. The last of all passages is always known: where one
    is left, it follows.

    Args:
        text: The answer, or its beginning.
        k: Number of passages in the window.
        first: How many ids to read, from 1 to k.
        cut_by_length: Whether the engine stopped at the token limit.
        rules: See `parse_permutation`.
    """
    rules = rules or ReadingRules()
    if rules.begins_in_thought:
        return None
    named = leading_ids(text, rules.form, k, first, is_cut=cut_by_length)
    if named is None:
        return None
    rest = sorted(set(range(k)) - set(named))
    asked = first if len(rest) > 1 else None
    return ParsedAnswer(WindowOutcome.OK, (*named, *rest), asked=asked)
