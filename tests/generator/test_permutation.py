"""How answers are read: named examples, and ten thousand others against an independent oracle."""

from __future__ import annotations

import itertools
import json
import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rankgen.generator.answers.answer_text import answer_of
from rankgen.generator.answers.outcomes import WindowOutcome
from rankgen.generator.answers.permutation import ParsedAnswer, ReadingRules, parse_permutation
from rankgen.generator.prompts.profiles import PROFILES

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
        ("[2]>[1]>[3]", 3, (OK, [2, 1, 3], 0, 0, 0)),
        ("[2] >[1]\n> [3].", 3, (OK, [2, 1, 3], 0, 0, 0)),
        ("[2], [1], [3]", 3, (REPAIRED, [2, 1, 3], 0, 0, 0)),
        ("[2]\n[1]\n[3]", 3, (REPAIRED, [2, 1, 3], 0, 0, 0)),
        ("[02] > [1]", 2, (REPAIRED, [2, 1], 0, 0, 0)),
        ("[2] > [2] > [1]", 3, (REPAIRED, [2, 1, 3], 1, 1, 0)),
        ("[12] > [3] > [2]", 4, (REPAIRED, [3, 2, 1, 4], 0, 2, 1)),
        ("[0] > [2] > [1]", 2, (REPAIRED, [2, 1], 0, 0, 1)),
        ("[3] > [1]", 3, (REPAIRED, [3, 1, 2], 0, 1, 0)),
        ("[" + "9" * 5000 + "] > [2] > [1]", 2, (REPAIRED, [2, 1], 0, 0, 1)),
        ("Here are the 3 passages: [3] > [1] > [2]", 3, (REPAIRED, [3, 1, 2], 0, 0, 0)),
        ("I pick [2] > [1] > [3], as [3] is old.", 3, (REPAIRED, [2, 1, 3], 0, 0, 0)),
        ("[2] > [1] > [3]</s>", 3, (OK, [2, 1, 3], 0, 0, 0)),
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
        ("[2] > [3] > [1", 3, (TRUNCATED, [2, 3, 1], 0, 1, 0)),
        ("[2] > [3] > [", 3, (TRUNCATED, [2, 3, 1], 0, 1, 0)),
        ("[2] > [3] >", 3, (TRUNCATED, [2, 3, 1], 0, 1, 0)),
        ("Ranking:\n```\n[2] > [3] > [", 3, (TRUNCATED, [2, 3, 1], 0, 1, 0)),
        ("[2] > [", 3, (MALFORMED, None, 0, 0, 0)),
        # Cut among words: what would have followed is not known, whatever stands there.
        ("I think [2] > [1] > [3], as [2]", 3, (MALFORMED, None, 0, 0, 0)),
        ("I think [2] > [1] > [3].", 3, (MALFORMED, None, 0, 0, 0)),
        ("[2] > [1] > [3]. But wait, let me re-read", 3, (MALFORMED, None, 0, 0, 0)),
        # As many ids as passages were written: not cut but wrong.
        ("[2] > [2] > [3]", 3, (REPAIRED, [2, 3, 1], 1, 1, 0)),
        ("[2] > [1] > [3] > [1", 3, (REPAIRED, [2, 1, 3], 0, 0, 0)),
        ("<think>[2] > [1] and so on", 3, (MALFORMED, None, 0, 0, 0)),
    ],
)
def test_answers_that_the_length_ended(text: str, k: int, expected: tuple[object, ...]) -> None:
    assert outcome_of(parse_permutation(text, k, cut_by_length=True)) == expected


FORMATTING = {
    "fence": "```\n{}\n```",
    "named fence": "```text\n{}\n```",
    "one-line fence": "`{}`",
    "answer tags": "<answer>{}</answer>",
    "answer tags with a full stop": "<answer> {} </answer>.",
    "reasoning before answer tags": "[3] is off topic.\n<answer>\n{}\n</answer>",
    "bold": "**{}**",
    "quotes": '"{}"',
    "heading": "Ranking: {}",
    "polite heading": "Sure! Here is the final ranking:\n\n{}",
    "bold heading": "**Final Answer:**\n{}",
    "full stop": "{}.",
    "line break": "\n{}\n",
    "end of turn": "{}<|im_end|>",
    "other end of turn": "{}<end_of_turn>\n",
    "thought": "<think>[1] > [2]? Hmm.</think>\n\n{}",
    "thought that the prompt opened": "Maybe [1] > [2].\n</think>\n\n{}",
    "other thought": "[THINK]e.g., [2] > [1][/THINK]{}",
}


@pytest.mark.parametrize("name", FORMATTING)
@pytest.mark.parametrize("chain", ["[2] > [1] > [3]", "[2]>[1]>[3]", "**[2]** > **[1]** > [3]"])
def test_formatting_around_a_whole_ranking_is_no_repair(name: str, chain: str) -> None:
    parsed = parse_permutation(FORMATTING[name].format(chain), 3)
    assert outcome_of(parsed) == (OK, [2, 1, 3], 0, 0, 0)


def test_escapes_are_formatting() -> None:
    for text in ("[2] &gt; [1] &gt; [3]", r"\[2\] > \[1\] > \[3\]"):
        assert outcome_of(parse_permutation(text, 3)) == (OK, [2, 1, 3], 0, 0, 0)


# An answer has one answer, and one full stop.
_WRAPPERS = st.lists(
    st.sampled_from(sorted(FORMATTING)),
    max_size=5,
    unique_by=(
        lambda name: "answer tags" if "answer tags" in name else name,
        lambda name: "full stop" if "full stop" in name else name,
    ),
)
_BODIES = st.lists(st.integers(0, 7), min_size=1, max_size=9).map(
    lambda ids: " > ".join(f"[{i}]" for i in ids)
)


@settings(max_examples=400)
@given(body=_BODIES, wrappers=_WRAPPERS, k=st.integers(1, 6))
def test_formatting_never_changes_what_is_read(body: str, wrappers: list[str], k: int) -> None:
    text = body
    outer = ("turn", "reasoning", "thought")
    for name in sorted(wrappers, key=lambda name: any(word in name for word in outer)):
        text = FORMATTING[name].format(text)
    assert parse_permutation(text, k) == parse_permutation(body, k)


@pytest.mark.parametrize(
    "text",
    [
        "[4] (the best) > [3] > [2] > [1]",
        "[4] (the best) > [3] (good) > [2] > [1] (off topic)",
        "__[4]__ > [3] > [2] > [1]",
        "[4] = [3] > [2] > [1]",
        "[4] ~ [3] > [2] > [1]",
        "Passage [4] is the best, then [3] > [2] > [1]",
        "Passage 4 is the best, then [3] > [2] > [1].",
        "The fourth passage is the best.\n\n[3] > [2] > [1]",
        "(4) > [3] > [2] > [1]",
        "4 > [3] > [2] > [1]",
        "{4} > [3] > [2] > [1].",
        "[3] > [2] > [1]\n\nNote: [4] is better than all of them.",
        "[3] > [2] > [1], all below [4].",
        "[4] — [3] > [2] > [1]",
        "1. [4]\n2. [3] > [2] > [1]",
    ],
)
def test_the_best_passage_never_becomes_the_last(text: str) -> None:
    parsed = parse_permutation(text, 4)
    assert parsed.outcome in (REPAIRED, MALFORMED)
    assert parsed.permutation in (None, (3, 2, 1, 0))


@pytest.mark.parametrize(
    "text",
    [
        "I cannot rank these passages. The format is [] > [], e.g., [2] > [1].",
        "I'm sorry, but I won't rank [1] > [2].",
        "You want something like, for example, '[1] > [2]'.",
        "The output should look like [2] > [1].",
        "First [1] > [2]. Then again [2] > [1].",
        "[1] > [2]\n[2] > [1]",
        "[2]\n[1] > [2]",
        "Okay, the passages. Passage [1] > [2] maybe, as [1] names it. But wait, let me",
        "Least relevant first: [1] > [2].",
        "In ascending order of relevance: [1] > [2].",
        "Both [1] and [2] answer it.",
        "[THINK]so [1] > [2].",
        "Fine. <think>then [1] > [2].",
    ],
)
def test_what_may_be_no_ranking_is_none(text: str) -> None:
    rules = ReadingRules(examples=PROFILES["rank_llm-0.25"].examples)
    parsed = parse_permutation(text, 2, rules=rules)
    assert (parsed.outcome, parsed.permutation) == (MALFORMED, None)
    assert parsed.why


def test_the_example_alone_is_a_ranking_of_two() -> None:
    for profile in PROFILES.values():
        assert profile.examples == ((2, 1),)
        rules = ReadingRules(examples=profile.examples)
        assert parse_permutation("[2] > [1]", 2, rules=rules).outcome is OK


def test_a_prompt_that_opens_a_thought_wants_its_end() -> None:
    rules = ReadingRules(begins_in_thought=True)
    assert parse_permutation("[2] > [1]", 2, rules=rules).outcome is MALFORMED
    assert parse_permutation("[1] > [2]?</think>[2] > [1]", 2, rules=rules).permutation == (1, 0)


@pytest.mark.parametrize(("named", "outcome"), [(1, MALFORMED), (9, MALFORMED), (10, REPAIRED)])
def test_half_of_the_passages_must_be_named(named: int, outcome: WindowOutcome) -> None:
    text = " > ".join(f"[{i}]" for i in range(20, 20 - named, -1))
    assert parse_permutation(text, 20).outcome is outcome
    assert parse_permutation(f"{text} > {text}", 20).outcome is outcome
    lax, strict = ReadingRules(least_named=0), ReadingRules(least_named=0.6)
    assert parse_permutation(text, 20, rules=lax).outcome is REPAIRED
    assert parse_permutation(text, 20, rules=strict).outcome is MALFORMED


@pytest.mark.data
def test_answers_of_real_teachers(test_data: Path) -> None:
    """A hundred answers of a listwise teacher, 3 to 20 passages each."""
    samples = test_data / "teacher-samples"
    counts: Counter[str] = Counter()
    for line in _lines(samples / "rank_llm-listwise-chat.100.jsonl"):
        _, user, assistant = json.loads(line)["messages"]
        k = int(re.findall(r"provide you with (\d+) passages", user["content"])[0])
        rules = ReadingRules(examples=((2, 1),))
        counts[parse_permutation(assistant["content"], k, rules=rules).outcome] += 1
    assert counts == {OK: 100}


def _lines(path: Path) -> list[str]:
    return [line for line in path.read_text(encoding="utf-8").split("\n") if line]


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


def _oracle_flat(answer: str, cut: bool) -> str:
    """Drops the outer brackets of arrays such as [[2], [1]] that stand alone in their lines."""

    def is_id(part: str) -> bool:
        inside = part[1:-1].strip(" \t")
        is_letter = len(inside) == 1 and inside.isascii() and inside.isalpha()
        return part[:1] + part[-1:] == "[]" and (inside.isdecimal() or is_letter)

    for start, character in enumerate(answer):
        before = answer[:start].rstrip(" \t")
        if character != "[" or (before and before[-1] not in "\n:="):
            continue
        depth, end = 0, None
        for place in range(start, len(answer)):
            depth += {"[": 1, "]": -1}.get(answer[place], 0)
            if depth == 0:
                end = place
                break
        inside = answer[start + 1 : end]
        parts = [part.strip() for part in inside.split(",")]
        if end is None:
            begun = parts[-1]
            opened = begun[1:].strip(" \t") if begun.startswith("[") else None
            is_begun = is_id(begun) or (opened is not None and (not opened or opened.isdecimal()))
            if cut and start == 0 and all(map(is_id, parts[:-1])) and is_begun:
                return inside.lstrip()
            continue
        if parts[-1] == "":
            parts.pop()
        after = answer[end + 1 :].split("\n")[0].strip(" \t")
        if len(parts) > 1 and all(map(is_id, parts)) and not after.strip(".}"):
            rest = _oracle_flat(answer[end + 1 :], cut=False)
            return answer[:start] + " > ".join(parts) + rest
    return answer


def _oracle(text: str, k: int, cut: bool) -> tuple[object, ...]:
    """Says what the rules of `parse_permutation` say, written another way.

    Thoughts and formatting have tests of their own above.
    """
    nothing = (MALFORMED, None, 0, 0, 0)
    answer = answer_of(text)
    if answer is None:
        return nothing
    flat = _oracle_flat(answer, cut)
    ids, between = _oracle_scan(flat)
    if not ids:
        return nothing

    def separator(part: str) -> bool:
        return all(c.isspace() or c in ">," for c in part)

    def link(gap: str) -> bool:
        gap = gap.strip()
        if gap.endswith(">"):
            gap = gap[:-1].rstrip()
            inside = gap[1:-1]
            return not gap or (gap[0] + gap[-1] == "()" and not set(inside) & set("()[]>"))
        return False

    segments: list[list[int | None]] = [[ids[0]]]
    for number, gap in zip(ids[1:], between[1:-1], strict=True):
        if link(gap):
            segments[-1] += [number]
        else:
            segments += [[number]]
    last = between[-1]
    if cut and "[" in last:
        head, _, inside = last.rpartition("[")
        squeezed = inside.lstrip(" \t")
        if all(c.isdecimal() for c in squeezed):
            last = head
    elif last.rstrip().endswith("."):
        last = last.rstrip()[:-1]
    if between[0] == "" and all(map(separator, between[1:-1])) and separator(last):
        distinct = {tuple(segment) for segment in segments}
        for one, other in itertools.combinations(distinct, 2):
            if set(one) & set(other):
                return nothing
    else:
        chains = {tuple(segment) for segment in segments if len(segment) >= 2}
        ended = not between[-1] or flat[-1] in ".!?)]};:'\u2026\u3002\uff01\uff1f"
        words = flat.lower()
        if cut or not ended or len(chains) != 1 or "sorry" in words or "ascending" in words:
            return nothing
        ids = list(chains.pop())
        if not all(i in ids for i in range(1, k + 1)):
            return nothing
    good = [i for i in ids if i is not None and 1 <= i <= k]
    first = list(dict.fromkeys(good))
    if not first or len(first) * 2 < k:
        return nothing
    missing = [i for i in range(1, k + 1) if i not in first]
    squeezed = "".join(answer.split()).removesuffix(".")
    if squeezed == ">".join(f"[{i}]" for i in first) and _plain(answer) and not missing:
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


def _plain(answer: str) -> bool:
    """No white space within brackets or after the full stop."""
    return not any(
        "[" in part and any(c.isspace() for c in part.split("[")[1]) for part in answer.split("]")
    )


_BRACKETS = [
    "[1]",
    "[2]",
    "[3]",
    "[12]",
    "[0]",
    "[99]",
    "[ 2 ]",
    "[\uff11]",
    "[04]",
    "[[1]]",
    '["[3]", ',
]
_BROKEN = ["[", "]", "[1", "[2\n]", "[-1]", "[1.5]", "[\u00b2]", "1", "20", "\u0663"]
_BETWEEN = [" > ", ">", ", ", "\n", " ", "\u2028", "\x00", ".", " (good) > "]
_WORDS = ["<think>", "</think>", "passage ", "</s>", "Here are the 8 passages: ", "Sorry, "]
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
    # Arrays of bracketed texts, whole or cut.
    st.tuples(
        st.sampled_from(["", "Ranking: ", "I think: ", "so\n", "see "]),
        st.permutations(range(1, 6)).map(lambda p: json.dumps([f"[{i}]" for i in p])),
        st.sampled_from(["", ".", "}", " as asked", "\n"]),
        st.integers(0, 60),
    ).map(lambda parts: "".join(parts[:3])[: parts[3]]),
    # Answers in other digits: fullwidth, Arabic-Indic and, which are none, superscript.
    st.tuples(_CHAIN, st.sampled_from([0xFF10, 0x0660, 0x2070])).map(
        lambda pair: "".join(chr(pair[1] + int(c)) if c.isdigit() else c for c in pair[0])
    ),
)


@settings(max_examples=10_000)
@given(text=_ANSWERS, k=st.integers(1, 20), cut=st.booleans())
@example(text="[1] > [2] > [3] > [4] > [5] > [6] > [7]", k=7, cut=True)
def test_fuzzed_answers_agree_with_an_oracle(text: str, k: int, cut: bool) -> None:
    parsed = parse_permutation(text, k, cut_by_length=cut)
    if parsed.permutation is None:
        assert parsed.outcome is MALFORMED
    else:
        assert sorted(parsed.permutation) == list(range(k))
    assert outcome_of(parsed) == _oracle(text, k, cut)


def test_a_repeated_end_is_read_in_linear_time() -> None:
    """A model that is not stopped repeats its last token until the limit; so do backslashes."""
    for tail in (" <|im_end|>\n" * 30_000, "</s>" * 50_000, "\\" * 300_000 + "["):
        parsed = parse_permutation("[2] > [1]" + tail, 2)
        is_end = not tail.startswith("\\")
        assert parsed.permutation == ((1, 0) if is_end else None)


def test_an_answer_that_never_began_is_told_from_one_without_ids() -> None:
    """Models that think on the server spend the answer's tokens there."""
    cut = parse_permutation("", 2, cut_by_length=True)
    assert (cut.outcome, "--thinking-tokens" in cut.why) == (WindowOutcome.MALFORMED, True)
    assert "--thinking-tokens" not in parse_permutation("", 2).why
