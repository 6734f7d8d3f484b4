"""How answers are read: named examples, and ten thousand others against an independent oracle."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rankgen.generator.outcomes import WindowOutcome
from rankgen.generator.permutation import ParsedAnswer, parse_permutation

OK, REPAIRED = WindowOutcome.OK, WindowOutcome.REPAIRED
TRUNCATED, MALFORMED = WindowOutcome.TRUNCATED, WindowOutcome.MALFORMED


def outcome_of(parsed: ParsedAnswer) -> tuple[object, ...]:
    return (
        parsed.outcome,
        None if parsed.permutation is None else [i + 1 for i in parsed.permutation],
        parsed.duplicates,
        parsed.missing,
        parsed.out_of_range,
    )


@pytest.mark.parametrize(
    ("text", "k", "expected"),
    [
        ("[2] > [1] > [3]", 3, (OK, [2, 1, 3], 0, 0, 0)),
        ("\n [2] > [1]\t \n", 2, (OK, [2, 1], 0, 0, 0)),
        ("<think>maybe [1] > [2] > [3]?</think>\n[3] > [2] > [1]", 3, (OK, [3, 2, 1], 0, 0, 0)),
        ("thoughts [1] > [2] </think>[2] > [1]", 2, (OK, [2, 1], 0, 0, 0)),
        ("[2]>[1]>[3]", 3, (REPAIRED, [2, 1, 3], 0, 0, 0)),
        ("[2], [1], [3]", 3, (REPAIRED, [2, 1, 3], 0, 0, 0)),
        ("[2]\n[1]\n[3]", 3, (REPAIRED, [2, 1, 3], 0, 0, 0)),
        ("[02] > [1]", 2, (REPAIRED, [2, 1], 0, 0, 0)),
        ("[2] > [2] > [1]", 3, (REPAIRED, [2, 1, 3], 1, 1, 0)),
        ("[12] > [3]", 4, (REPAIRED, [3, 1, 2, 4], 0, 3, 1)),
        ("[0] > [2] > [1]", 2, (REPAIRED, [2, 1], 0, 0, 1)),
        ("[3]", 3, (REPAIRED, [3, 1, 2], 0, 2, 0)),
        ("[" + "9" * 5000 + "] > [2] > [1]", 2, (REPAIRED, [2, 1], 0, 0, 1)),
        ("Here are the 8 passages: [3] > [1]", 8, (REPAIRED, [3, 1, 2, 4, 5, 6, 7, 8], 0, 6, 0)),
        ("I pick [2] > [1] > [3], as [3] is old.", 3, (REPAIRED, [2, 1, 3], 0, 0, 0)),
        ("[2] > [1] > [3]</s>", 3, (REPAIRED, [2, 1, 3], 0, 0, 0)),
        # Fullwidth and Arabic-Indic digits are decimal digits; circled and superscript are not.
        ("[\uff12] > [\uff11]", 2, (REPAIRED, [2, 1], 0, 0, 0)),
        ("[\u0662] > [\u0661]", 2, (REPAIRED, [2, 1], 0, 0, 0)),
        ("[\u2461] > [\u2460]", 2, (MALFORMED, None, 0, 0, 0)),
        ("[\u00b2] > [\u00b9]", 2, (MALFORMED, None, 0, 0, 0)),
        ("", 5, (MALFORMED, None, 0, 0, 0)),
        ("   \n", 5, (MALFORMED, None, 0, 0, 0)),
        ("2 > 1 > 3", 3, (MALFORMED, None, 0, 0, 0)),
        ("Error code: 500 - 3 retries on 2 of 7 workers", 8, (MALFORMED, None, 0, 0, 0)),
        (
            "{'error': {'message': 'rate limit 20 per 10 s', 'code': 429}}",
            20,
            (MALFORMED, None, 0, 0, 0),
        ),
        ("<think>[1] > [2] > [3]", 3, (MALFORMED, None, 0, 0, 0)),
        ("<think>[1] > [2]</think>", 2, (MALFORMED, None, 0, 0, 0)),
        ("Passage [2] answers the question.", 3, (MALFORMED, None, 0, 0, 0)),
        ("First [1] > [2]. No, rather [2] > [1].", 2, (MALFORMED, None, 0, 0, 0)),
        ("[7] > [9]", 3, (MALFORMED, None, 0, 0, 0)),
    ],
)
def test_examples(text: str, k: int, expected: tuple[object, ...]) -> None:
    assert outcome_of(parse_permutation(text, k)) == expected


@pytest.mark.parametrize(
    ("text", "k", "expected"),
    [
        # A whole answer that fills its budget exactly is whole.
        ("[2] > [1] > [3]", 3, (OK, [2, 1, 3], 0, 0, 0)),
        ("[2] > [1", 3, (TRUNCATED, [2, 1, 3], 0, 2, 0)),
        ("[2] > [", 3, (TRUNCATED, [2, 1, 3], 0, 2, 0)),
        ("[2] >", 3, (TRUNCATED, [2, 1, 3], 0, 2, 0)),
        # As many ids as passages were written: not cut but wrong.
        ("[2] > [2] > [3]", 3, (REPAIRED, [2, 3, 1], 1, 1, 0)),
        ("[2] > [1] > [3] > [1", 3, (REPAIRED, [2, 1, 3], 0, 0, 0)),
        ("<think>[2] > [1] and so on", 3, (MALFORMED, None, 0, 0, 0)),
    ],
)
def test_answers_that_the_length_ended(text: str, k: int, expected: tuple[object, ...]) -> None:
    assert outcome_of(parse_permutation(text, k, cut_by_length=True)) == expected


def test_a_long_answer_is_read_in_linear_time() -> None:
    text = "[" * 20_000 + " 1" * 20_000 + "]" * 20_000 + "[1 " * 20_000
    assert parse_permutation(text, 20).outcome is MALFORMED


def _oracle_scan(text: str) -> tuple[list[int | None], list[str]]:
    """Returns the bracketed numbers and the texts around them, by walking over characters."""
    ids: list[int | None] = []
    between = [""]
    i = 0
    while i < len(text):
        if text[i] == "[":
            j = i + 1
            while j < len(text) and text[j] in " \t":
                j += 1
            digits = ""
            while j < len(text) and text[j].isdecimal():
                digits += text[j]
                j += 1
            while j < len(text) and text[j] in " \t":
                j += 1
            if digits and j < len(text) and text[j] == "]":
                value = 0
                for digit in digits:
                    value = value * 10 + int(digit)
                ids.append(value)
                between.append("")
                i = j + 1
                continue
        between[-1] += text[i]
        i += 1
    return ids, between


def _oracle(text: str, k: int, cut: bool) -> tuple[object, ...]:
    """Says what the rules of `parse_permutation` say, written another way."""
    nothing = (MALFORMED, None, 0, 0, 0)
    if "</think>" in text:
        text = text.split("</think>")[-1]
    elif text.lstrip()[:7] == "<think>":
        return nothing
    text = text.strip()
    ids, between = _oracle_scan(text)

    def separator(part: str) -> bool:
        return all(c.isspace() or c in ">," for c in part)

    last = between[-1]
    if cut and "[" in last:
        head, _, inside = last.rpartition("[")
        if all(c in " \t" or c.isdecimal() for c in inside):
            squeezed = inside.lstrip(" \t")
            if all(c.isdecimal() for c in squeezed):
                last = head
    bare = between[0] == "" and all(map(separator, between[1:-1])) and separator(last)
    if not ids:
        return nothing
    if not bare:
        groups: list[list[int | None]] = [[ids[0]]]
        for number, gap in zip(ids[1:], between[1:-1], strict=True):
            if gap.strip() == ">":
                groups[-1] += [number]
            else:
                groups += [[number]]
        chains = [group for group in groups if len(group) >= 2]
        if len(chains) != 1:
            return nothing
        ids = chains[0]
    good = [i for i in ids if i is not None and 1 <= i <= k]
    first = list(dict.fromkeys(good))
    if not first:
        return nothing
    missing = [i for i in range(1, k + 1) if i not in first]
    if text == " > ".join(f"[{i}]" for i in first) and not missing:
        outcome = OK
    elif cut and missing and len(ids) < k:
        outcome = TRUNCATED
    else:
        outcome = REPAIRED
    return (
        outcome,
        first + missing,
        len(good) - len(first),
        len(missing),
        len(ids) - len(good),
    )


_BRACKETS = ["[1]", "[2]", "[3]", "[12]", "[0]", "[99]", "[ 2 ]", "[\uff11]", "[04]", "[[1]]"]
_BROKEN = ["[", "]", "[1", "[2\n]", "[-1]", "[1.5]", "[\u00b2]", "1", "20", "\u0663"]
_BETWEEN = [" > ", ">", ", ", "\n", " ", "\u2028", "\x00", "."]
_WORDS = ["<think>", "</think>", "passage ", "</s>", "Here are the 8 passages: "]
_HTTP_500 = [
    "Error code: 500 - {'error': {'message': '3 of [2] > 7 workers', 'code': 500}}",
    "<html><body><h1>500 Internal Server Error</h1>[nginx/1.25]</body></html>",
]
_WORDS += _HTTP_500
_CHAIN = st.permutations(range(1, 9)).map(lambda p: " > ".join(f"[{i}]" for i in p))
_PIECES = st.sampled_from([*_BRACKETS, *_BROKEN, *_BETWEEN, *_WORDS])
_ANSWERS = st.one_of(
    st.text(max_size=60),
    st.lists(_PIECES, max_size=25).map("".join),
    st.lists(st.integers(0, 25), max_size=25).map(lambda x: " > ".join(f"[{i}]" for i in x)),
    st.permutations(range(1, 21)).flatmap(
        lambda p: st.integers(0, 120).map(lambda cut: " > ".join(f"[{i}]" for i in p)[:cut])
    ),
    st.permutations(range(1, 8)).map(lambda p: " > ".join(f"[{i}]" for i in p)),
    # Whole answers with something around them: thoughts, politeness, an error's body.
    st.tuples(
        st.sampled_from(["<think>", "<think>[2] > [1]</think>", "</think>", *_WORDS, ""]),
        _CHAIN,
        st.sampled_from(["", "\n", "</s>", ", as asked.", *_HTTP_500]),
    ).map("".join),
    # Answers in other digits: fullwidth, Arabic-Indic and, which are none, superscript.
    st.tuples(_CHAIN, st.sampled_from([0xFF10, 0x0660, 0x2070])).map(
        lambda pair: "".join(chr(pair[1] + int(c)) if c.isdigit() else c for c in pair[0])
    ),
)


@settings(max_examples=10_000, deadline=None)
@given(text=_ANSWERS, k=st.integers(1, 20), cut=st.booleans())
@example(text="[1] > [2] > [3] > [4] > [5] > [6] > [7]", k=7, cut=True)
def test_fuzzed_answers_agree_with_an_oracle(text: str, k: int, cut: bool) -> None:
    parsed = parse_permutation(text, k, cut_by_length=cut)
    if parsed.permutation is None:
        assert parsed.outcome is MALFORMED
    else:
        assert sorted(parsed.permutation) == list(range(k))
    assert outcome_of(parsed) == _oracle(text, k, cut)
