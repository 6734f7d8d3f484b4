"""Reads a listwise answer, `[2] > [1] > [3]`, as a typed outcome; never raises, never guesses.

Other formats are written in this one first (`formats`). Only numbers in brackets are ids, so digits
in prose, such as an HTTP error, are not. A wrong label is worse than another request, so an answer
whose words may contradict its ids is malformed.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass

from rankgen.generator.answers.answer_text import answer_of, closes_thought
from rankgen.generator.answers.formats import BRACKETS, AnswerFormat
from rankgen.generator.answers.leading import leading_ids
from rankgen.generator.answers.outcomes import WindowOutcome
from rankgen.generator.answers.rewriting import unnested

# Grows whenever answers are read differently. It is part of a run's recipe, because rows made by
# different rules must not be mixed. Version 1 accepted ids with any words around them; version 2
# took arrays of scores for rankings, and did not know the brackets of East Asian texts; version 3
# did not read arrays of texts such as "[2]".
ANSWER_RULES = 4
LEAST_NAMED = 0.5

# \d matches every decimal digit of Unicode, such as fullwidth and Arabic ones (the outcome is then
# `repaired`), but not superscripts, circled numbers or fractions.
_ID = re.compile(r"\[[ \t]*(\d+)[ \t]*\]")
_SEPARATORS = re.compile(r"[\s>,]*")
_TAIL = re.compile(r"[\s>,]*\.?")
_CUT_TAIL = re.compile(r"[\s>,]*(?:\[[ \t]*\d*)?")
# "[5] (most relevant) > [4]": a remark in parentheses does not change the order.
_LINK = re.compile(r"\s*(?:\([^()\[\]>]*\)\s*)?>\s*")
_QUOTED = re.compile(
    r"\b(?:e\. ?g\.|eg|for example|for instance|such as|example)\W*$", re.IGNORECASE
)
_REFUSED = re.compile(
    r"\b(?:sorry|cannot|can not|can['\u2019]t|unable|won['\u2019]t)\b", re.IGNORECASE
)
_BACKWARDS = re.compile(r"\bascending\b|\bleast\b.*\b(?:first|most)\b", re.IGNORECASE)
_SENTENCE_ENDS = frozenset(".!?)]};:'\u2026\u3002\uff01\uff1f")
# Longer numbers are out of range; int() refuses thousands of digits.
_MOST_DIGITS = 9
# Full-width signs and East Asian brackets mean the same; the outcome is then `repaired`.
_WIDE = str.maketrans("\u3010\u3011\uff3b\uff3d\u3014\u3015\uff1e\uff0c\u3001", "[][][]>,,")
_Ids = list[int | None]


@dataclass(frozen=True)
class ReadingRules:
    """How to read answers.

    Attributes:
        least_named: Smallest share of the passages that an answer must name, 0 to 1.
        examples: The ids of the prompt's example rankings. Among words, such a ranking is taken
            for a quotation.
        begins_in_thought: Whether the prompt opens a thought, so that an answer that closes none
            is only a thought.
        form: The format that the prompt asks for.
        has_budget: Whether the model thinks within a budget of tokens. An answer that the limit
            cuts before the thought has ended is then `truncated`, without a ranking.
    """

    least_named: float = LEAST_NAMED
    examples: tuple[tuple[int, ...], ...] = ()
    begins_in_thought: bool = False
    form: AnswerFormat = BRACKETS
    has_budget: bool = False


@dataclass(frozen=True)
class ParsedAnswer:
    """The content of an answer about a window of k passages.

    Attributes:
        outcome: `ok`, `repaired`, `truncated` or `malformed`.
        permutation: 0-based positions, best first; None if malformed, or if `truncated` within
            its thought.
        duplicates: Number of repeated ids.
        missing: Number of passages not named.
        out_of_range: Number of ids outside 1..k.
        why: Why there is no permutation; empty if there is one.
        asked: How many passages the answer was to name, where others follow them in input order, of
            which nothing is known; None for all.
    """

    outcome: WindowOutcome
    permutation: tuple[int, ...] | None
    duplicates: int = 0
    missing: int = 0
    out_of_range: int = 0
    why: str = ""
    asked: int | None = None


class _NoRanking(Exception):
    """The answer is malformed; the exception's text says why."""


def parse_permutation(
    text: str, k: int, *, cut_by_length: bool = False, rules: ReadingRules | None = None
) -> ParsedAnswer:
    """Reads the ranking of k passages from an answer.

    The rules, in order:

    1. Leading thoughts and formatting are dropped (`answer_text`). A thought without an end is
       malformed.
    2. An answer of only bracketed ids and separators is read in order. It is `ok` if it is
       `[a] > [b] > ...` with each of 1..k once and any white space around `>`; in another format
       (`rules.form`), if it is clean in that format. Otherwise the first mention of an id counts,
       and missing passages follow in input order: `truncated` if the token limit cut it, else
       `repaired`. Lines that order the same ids differently are malformed.
    3. An answer with words is `repaired` if it was not cut, ends like a sentence, refuses nothing,
       and contains one chain joined by `>`, which names all of 1..k and is not the prompt's
       example. All others are malformed: the words may place a passage that the chain lacks.
    4. An answer that names a smaller share of the passages than `rules.least_named` is malformed.

    Args:
        text: The answer.
        k: Number of passages in the window, at least 1.
        cut_by_length: Whether the engine stopped at the token limit. A complete answer may end so
            too: rank_llm forces exactly as many tokens as a permutation needs.
        rules: How to read it; None for the defaults.
    """
    rules = rules or ReadingRules()
    if (places := _clean_ids(text, k, rules)) is not None:
        return ParsedAnswer(WindowOutcome.OK, places)
    answer = answer_of(text, rules.begins_in_thought, rules.form.opening)
    try:
        if answer is None:
            raise _NoRanking("it ends within its thought (--thinking-tokens gives it room)")
        if not answer and cut_by_length:
            # Servers hand out a thought apart from the answer, or not at all.
            raise _NoRanking("its tokens were spent before it began (--thinking-tokens adds some)")
        read = _read(answer, k, cut_by_length, rules)
    except _NoRanking as problem:
        read = ParsedAnswer(WindowOutcome.MALFORMED, None, why=str(problem))
    # A server may send a thought without its tags: cut before it ends, it is no answer.
    may_be_thought = cut_by_length and (answer is None or not closes_thought(text))
    if rules.has_budget and may_be_thought and read.outcome is not WindowOutcome.OK:
        why = "its budget was spent within its thought (raise --thinking-tokens)"
        return ParsedAnswer(WindowOutcome.TRUNCATED, None, why=why)
    return read


def _clean_ids(text: str, k: int, rules: ReadingRules) -> tuple[int, ...] | None:
    """Returns the ranking of a clean answer, as almost every one is; the other rules agree."""
    spelling = rules.form.spelling
    if rules.begins_in_thought or spelling is None or text.count(spelling.between) != k - 1:
        return None
    if not rules.form.is_clean(text.strip()):
        return None
    return leading_ids(text, rules.form, k, k, is_cut=False)


def _read(answer: str, k: int, cut_by_length: bool, rules: ReadingRules) -> ParsedAnswer:
    flat = unnested(answer.translate(_WIDE), cut_by_length)
    written = rules.form.rewrite(flat, k, cut_by_length)
    ids = _ids(written, k, cut_by_length, rules)
    seen: dict[int, None] = {}
    duplicates = out_of_range = 0
    for number in ids:
        if number is None or not 1 <= number <= k:
            out_of_range += 1
        elif number - 1 in seen:
            duplicates += 1
        else:
            seen[number - 1] = None
    if not seen or len(seen) / k < rules.least_named:
        raise _NoRanking(f"it names {len(seen)} of {k} passages")
    rest = [position for position in range(k) if position not in seen]
    clean = not (duplicates or out_of_range or rest)
    if clean and rules.form.is_clean(answer):
        outcome = WindowOutcome.OK
    elif cut_by_length and rest and len(ids) < k:
        outcome = WindowOutcome.TRUNCATED
    else:
        outcome = WindowOutcome.REPAIRED
    return ParsedAnswer(outcome, (*seen, *rest), duplicates, len(rest), out_of_range)


def _ids(answer: str, k: int, cut_by_length: bool, rules: ReadingRules) -> _Ids:
    found = list(_ID.finditer(answer))
    if not found:
        raise _NoRanking("it names no passage in brackets")
    numbers = [_number(match.group(1)) for match in found]
    gaps = [answer[before.end() : after.start()] for before, after in itertools.pairwise(found)]
    tail = answer[found[-1].end() :]
    ends_clean = _TAIL.fullmatch(tail) or (cut_by_length and _CUT_TAIL.fullmatch(tail))
    chains = _chains(gaps)
    if found[0].start() == 0 and ends_clean and all(_SEPARATORS.fullmatch(gap) for gap in gaps):
        _refuse_contradictions([numbers[start:end] for start, end in chains])
        return numbers
    if cut_by_length:
        raise _NoRanking("its length cut it among words")
    if tail and answer[-1] not in _SENTENCE_ENDS:
        raise _NoRanking("it ends within a sentence")
    if _REFUSED.search(answer):
        raise _NoRanking("it reads like a refusal")
    if _BACKWARDS.search(answer):
        raise _NoRanking("it may name the least relevant first")
    return _chain_among_words(
        [
            (numbers[start:end], answer[: found[start].start()])
            for start, end in chains
            if end - start > 1
        ],
        k,
        rules,
    )


def _chains(gaps: Sequence[str]) -> list[tuple[int, int]]:
    """Returns the runs [start, end) of ids joined by `>`, single ids included."""
    breaks = [i for i, gap in enumerate(gaps, start=1) if not _LINK.fullmatch(gap)]
    return list(itertools.pairwise([0, *breaks, len(gaps) + 1]))


def _refuse_contradictions(chains: Sequence[_Ids]) -> None:
    different = {tuple(chain) for chain in chains}
    named = [number for chain in different for number in set(chain)]
    if len(named) > len(set(named)):
        raise _NoRanking("its lines order the same passages differently")


def _chain_among_words(chains: Sequence[tuple[_Ids, str]], k: int, rules: ReadingRules) -> _Ids:
    """Returns the only chain; each chain is given with the text before it."""
    if len({tuple(chain) for chain, _ in chains}) != 1:
        raise _NoRanking("its words hold no chain, or several" if chains else "it has no chain")
    chain, before = chains[0]
    if tuple(chain) in rules.examples or _QUOTED.search(before[-40:]):
        raise _NoRanking("it only quotes an example")
    if not set(range(1, k + 1)) <= set(chain):
        raise _NoRanking("its words may place a passage that its chain lacks")
    return chain


def _number(digits: str) -> int | None:
    return int(digits) if len(digits) <= _MOST_DIGITS else None
