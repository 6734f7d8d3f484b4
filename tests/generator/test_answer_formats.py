"""Every public teacher's way to write a ranking, and what becomes of it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rankgen.generator.answers.formats import FORMATS, answer_format, format_of_pattern
from rankgen.generator.answers.outcomes import WindowOutcome
from rankgen.generator.answers.permutation import ReadingRules, parse_permutation
from rankgen.manifests.errors import UsageError

OK, REPAIRED = WindowOutcome.OK, WindowOutcome.REPAIRED
TRUNCATED, MALFORMED = WindowOutcome.TRUNCATED, WindowOutcome.MALFORMED

# Teacher, format, an answer of its kind about four passages, the outcome and the order expected.
TEACHERS = [
    ("RankZephyr", "brackets", "[2] > [4] > [1] > [3]", OK, "2413"),
    ("RankVicuna", "brackets", "[2]>[4]>[1]>[3]</s>", OK, "2413"),
    ("RankGPT with GPT-4", "brackets", "The ranking is: [2] > [4] > [1] > [3].", OK, "2413"),
    ("FIRST", "letters", "[B] > [D] > [A] > [C]", OK, "2413"),
    ("LiT5-Distill", "brackets", " [2] > [4] > [1] > [3]", OK, "2413"),
    ("a model of plain numbers", "numbers", "2 > 4 > 1 > 3", OK, "2413"),
    (
        "ReasonRank",
        "brackets",
        "<think>Passage [1] > [2]? No.</think>\n<answer> [2] > [4] > [1] > [3] </answer>",
        OK,
        "2413",
    ),
    ("Rank-K", "ties", "First, [3] > [1].\n</think>\n\n[2] > [4] = [1] > [3]", OK, "2413"),
    ("APEER", "rankstart", "[rankstart] [2] > [4] > [1] > [3] [rankend]", OK, "2413"),
    ("LRL", "passages", "[PASSAGE2, PASSAGE4, PASSAGE1, PASSAGE3]", OK, "2413"),
    (
        "Qwen3, thinking",
        "brackets",
        "<think>\nThe user wants [2] first.\n</think>\n\n[2] > [4] > [1] > [3]<|im_end|>",
        OK,
        "2413",
    ),
    ("Gemini", "json", "```json\n[2, 4, 1, 3]\n```", OK, "2413"),
    ("a model that writes JSON of texts", "json", '["2", "4", "1", "3"]', OK, "2413"),
    ("an instruct model", "letters", "```\n[B] > [D] > [A] > [C]\n```", OK, "2413"),
]
# The same teachers on a bad day.
FAULTS = [
    ("brackets", "[2] > [4] > [1]", REPAIRED, "2413"),
    ("brackets", "2 > 4 > 1 > 3", MALFORMED, ""),
    ("brackets", "[2] > [4] = [1] > [3]", MALFORMED, ""),
    ("ties", "[2] > [4] = [1]", REPAIRED, "2413"),
    ("ties", "[2] = [4] = [1] = [3]", OK, "2413"),
    ("ties", "[2] = best, then [4] > [1] > [3]", MALFORMED, ""),
    ("ties", "[2], [4], [1] = [3]", REPAIRED, "2413"),
    ("numbers", "2 > 4 > 4 > 1 > 3", REPAIRED, "2413"),
    ("numbers", "2, 4, 1, 3", REPAIRED, "2413"),
    ("numbers", "[2] > [4] > [1] > [3]", REPAIRED, "2413"),
    ("numbers", "Ranking: 2 > 4 > 1 > 3", OK, "2413"),
    ("numbers", "I would say 2 > 4 > 1 > 3.", REPAIRED, "2413"),
    ("numbers", "Passage 2 is the best, then 4 > 1 > 3.", MALFORMED, ""),
    ("numbers", "(2) > 4 > 1 > 3", MALFORMED, ""),
    ("numbers", "It is v2 > 4 > 1 > 3.", MALFORMED, ""),
    ("numbers", "Error code: 500 - 3 retries on 2 of 7 workers", MALFORMED, ""),
    ("letters", "[B] > [D] > [E] > [A] > [C]", REPAIRED, "2413"),
    ("letters", "[b] > [d] > [a] > [c]", REPAIRED, "2413"),
    ("letters", "B > D > A > C", REPAIRED, "2413"),
    ("letters", "[2] > [4] > [1] > [3]", MALFORMED, ""),
    ("letters", "[B] > [9] > [A] > [C] > [D]", REPAIRED, "2134"),
    # D may have been meant, and must not become the last.
    ("letters", "[B] > [4] > [A] > [C]", MALFORMED, ""),
    ("letters", "[4] [B] > [A] > [C]", MALFORMED, ""),
    ("rankstart", "[2] > [4] > [1] > [3]", REPAIRED, "2413"),
    ("rankstart", "[rankstart] [2] > [4] > [1] > [3]", REPAIRED, "2413"),
    ("rankstart", "[rankstart] 2 > 4 > 1 > 3 [rankend]", REPAIRED, "2413"),
    ("rankstart", "My ranking [rankstart] [2] > [4] > [1] > [3] [rankend]", REPAIRED, "2413"),
    ("rankstart", "[rankstart] most relevant passage ID [rankend]", MALFORMED, ""),
    ("json", "[2, 4, 1]", REPAIRED, "2413"),
    ("json", "[2, 4, 1, 3, 3, 9]", REPAIRED, "2413"),
    ("json", '["[2]", "[4]", "[1]", "[3]"]', REPAIRED, "2413"),
    ("json", '```json\n[\n  "[2]",\n  "[4]",\n  "[1]",\n  "[3]"\n]\n```', REPAIRED, "2413"),
    ("json", '["[2]", "[4]", "[1]"]', REPAIRED, "2413"),
    ("json", '{"ranking": ["[2]", "[4]", "[1]", "[3]"]}', REPAIRED, "2413"),
    ("json", '{"scores": ["[3]", "[1]", "[4]", "[2]"]}', MALFORMED, ""),
    ("json", '["[2]", "[4]", "[1]", "[3]"]\n["[1]", "[2]", "[3]", "[4]"]', MALFORMED, ""),
    ("json", 'Both of ["[2]", "[4]"] are relevant.', MALFORMED, ""),
    ("json", 'All are relevant, ["[1]", "[2]", "[3]", "[4]"]', MALFORMED, ""),
    ("brackets", '["[2]", "[4]", "[1]", "[3]"]', REPAIRED, "2413"),
    ("brackets", "[[2], [4], [1], [3]]", REPAIRED, "2413"),
    ("brackets", 'Here is the ranking: ["[2]", "[4]", "[1]", "[3]"].', REPAIRED, "2413"),
    ("letters", '["[B]", "[D]", "[A]", "[C]"]', REPAIRED, "2413"),
    ("json", "[]", MALFORMED, ""),
    ("json", '{"ranking": [2, 4, 1, 3]}', REPAIRED, "2413"),
    ("json", "I ranked them by their topic.\n\n[2, 4, 1, 3]", REPAIRED, "2413"),
    ("json", '{"scores": [3, 1, 4, 2]}', MALFORMED, ""),
    ("json", "Relevance_scores:\n[3, 1, 4, 2]", MALFORMED, ""),
    ("json", '{"scores": [9, 8, 7, 6], "ranking": [2, 4, 1, 3]}', REPAIRED, "2413"),
    ("json", "In order of relevance: [2, 4, 1, 3]", OK, "2413"),
    ("json", "\uff3b2\uff0c4\uff0c1\uff0c3\uff3d", REPAIRED, "2413"),
    (
        "brackets",
        "\u6392\u540d\uff1a\u30102\u3011\uff1e\u30104\u3011\uff1e\u30101\u3011\uff1e\u30103\u3011\u3002",
        REPAIRED,
        "2413",
    ),
    ("brackets", "[2]\u200b > [4] > [1] > [3]", OK, "2413"),
    ("brackets", "\ufeff[2] > [4] > [1] > [3]\r\n", OK, "2413"),
    ("json", "[1, 2, 3, 4] are all relevant.", MALFORMED, ""),
    ("json", "All of them are relevant, [1, 2, 3, 4]", MALFORMED, ""),
    ("json", "[2, 4, 1, 3]\n[1, 2, 3, 4]", MALFORMED, ""),
    ("json", '{"error": {"message": "rate limit 20 per 10 s", "code": 429}}', MALFORMED, ""),
    ("passages", "SORTED_PASSAGES = [PASSAGE2, PASSAGE4, PASSAGE1, PASSAGE3]", REPAIRED, "2413"),
    ("passages", "[PASSAGE2, PASSAGE4, PASSAGE1]", REPAIRED, "2413"),
    ("passages", "[2, 4, 1, 3]", REPAIRED, "2413"),
    ("passages", "PASSAGE2 is the best.", MALFORMED, ""),
]


@pytest.mark.parametrize(("teacher", "form", "text", "outcome", "order"), TEACHERS)
def test_a_teacher_that_answers_as_asked_is_ok(
    teacher: str, form: str, text: str, outcome: WindowOutcome, order: str
) -> None:
    parsed = parse_permutation(text, len(order), rules=ReadingRules(form=FORMATS[form]))
    assert (parsed.outcome, parsed.permutation) == (outcome, tuple(int(i) - 1 for i in order))


@pytest.mark.parametrize(("form", "text", "outcome", "order"), FAULTS)
def test_what_is_wrong_is_repaired_or_refused(
    form: str, text: str, outcome: WindowOutcome, order: str
) -> None:
    parsed = parse_permutation(text, 4, rules=ReadingRules(form=FORMATS[form]))
    assert parsed.outcome is outcome
    assert parsed.permutation == (tuple(int(i) - 1 for i in order) if order else None)


@pytest.mark.parametrize(
    ("form", "text", "k", "outcome", "order"),
    [
        ("numbers", "2 > 4 > 1 > 3", 4, OK, "2413"),
        ("numbers", "2 > 4 >", 4, TRUNCATED, "2413"),
        ("ties", "[2] > [4] =", 4, TRUNCATED, "2413"),
        ("ties", "[2] > [4] = [", 4, TRUNCATED, "2413"),
        ("ties", "[2] = [4] = [1", 4, TRUNCATED, "2413"),
        ("letters", "[B] > [D] > [A", 4, TRUNCATED, "2413"),
        ("letters", "[B] > [D] > [", 4, TRUNCATED, "2413"),
        ("rankstart", "[rankstart] [2] > [4] > [1", 4, TRUNCATED, "2413"),
        ("rankstart", "[rankstart] [2] > [4] > [1] > [3] [ranken", 4, REPAIRED, "2413"),
        ("json", "[2, 4", 4, TRUNCATED, "2413"),
        ("json", '["[2]", "[4]", "[', 4, TRUNCATED, "2413"),
        ("brackets", '["[2]", "[4]", "[1', 4, TRUNCATED, "2413"),
        ("brackets", '["[2]", "[4]", "[1]"', 4, TRUNCATED, "2413"),
        ("json", "[2, 4, 1, 3", 4, REPAIRED, "2413"),
        ("passages", "[PASSAGE2, PASSAGE4, PASS", 4, TRUNCATED, "2413"),
        ("passages", "[PASSAGE2, PASSAGE", 4, MALFORMED, ""),
    ],
)
def test_answers_that_the_length_ended(
    form: str, text: str, k: int, outcome: WindowOutcome, order: str
) -> None:
    rules = ReadingRules(form=FORMATS[form])
    parsed = parse_permutation(text, k, cut_by_length=True, rules=rules)
    assert parsed.outcome is outcome
    assert parsed.permutation == (tuple(int(i) - 1 for i in order) if order else None)


@pytest.mark.parametrize(
    ("form", "text"), [("numbers", "{}"), ("json", "[{}"), ("passages", "[{}")]
)
def test_a_cut_number_is_not_taken_for_a_shorter_one(form: str, text: str) -> None:
    """`12 > 3 > 1` may have become `12 > 3 > 11`; after all others, only 1 can follow."""
    rules = ReadingRules(form=FORMATS[form])
    joined = {"numbers": " > ", "json": ", ", "passages": ", PASSAGE"}[form]
    head = [12, 3, 5, 6, 7, 8, 9]
    parsed = parse_permutation(
        text.format(joined.join(map(str, [*head, 1]))), 12, cut_by_length=True, rules=rules
    )
    assert parsed.outcome is TRUNCATED
    assert parsed.missing == 5
    rest = [number for number in range(2, 13) if number not in head]
    parsed = parse_permutation(
        text.format(joined.join(map(str, [*head, *rest, 1]))), 12, cut_by_length=True, rules=rules
    )
    assert parsed.permutation == tuple(i - 1 for i in [*head, *rest, 1])
    assert parsed.missing == 0


def written(form: str, ids: list[int], space: str) -> str:
    """Writes ids in a format, without the code under test."""
    if form == "letters":
        return f"{space}>{space}".join(f"[{chr(64 + i)}]" for i in ids)
    if form in ("json", "passages"):
        word = "PASSAGE" if form == "passages" else ""
        return f"[{f',{space}'.join(f'{word}{i}' for i in ids)}]"
    chain = f"{space}>{space}".join(str(i) if form == "numbers" else f"[{i}]" for i in ids)
    return f"[rankstart]{space}{chain}{space}[rankend]" if form == "rankstart" else chain


AROUND = ["{}", "```\n{}\n```", "<answer>{}</answer>", "<think>[1]\n2 > 1</think>\n{}", "{}\n"]


@pytest.mark.parametrize("form", FORMATS)
@settings(max_examples=300)
@given(
    ids=st.one_of(
        st.permutations(range(1, 13)),
        st.permutations(range(1, 27)),
        st.lists(st.integers(1, 26), min_size=1, max_size=14),
    ),
    k=st.integers(1, 26),
    space=st.sampled_from(["", " ", "\n", "  "]),
    around=st.sampled_from(AROUND),
    cut=st.booleans(),
)
def test_an_answer_is_ok_exactly_when_it_is_clean(
    form: str, ids: list[int], k: int, space: str, around: str, cut: bool
) -> None:
    text = around.format(written(form, ids, space))
    rules = ReadingRules(form=FORMATS[form])
    parsed = parse_permutation(text, k, cut_by_length=cut, rules=rules)
    assert (parsed.outcome is OK) == (sorted(ids) == list(range(1, k + 1)))
    if parsed.outcome is OK:
        assert parsed.permutation == tuple(i - 1 for i in ids)
    named = list(dict.fromkeys(i for i in ids if i <= k))
    if parsed.permutation is not None:
        assert sorted(parsed.permutation) == list(range(k))
    # The last number of a cut answer may be the start of another one.
    if parsed.permutation is not None and not (cut and form == "numbers"):
        counts = parsed.missing, parsed.duplicates, parsed.out_of_range
        known = sum(i <= k for i in ids)
        assert counts == (k - len(named), known - len(named), len(ids) - known)


def clean_in(form: str, text: str) -> list[int] | None:
    """Returns the ids of a text that is nothing but a ranking in a format, read without regexes."""
    text = text.strip().removesuffix(".").rstrip()
    if form == "rankstart":
        if not (text.startswith("[rankstart]") and text.endswith("[rankend]")):
            return None
        text = text[11:-9]
    listed = form in ("json", "passages")
    if listed:
        if text[:1] + text[-1:] != "[]" or len(text) < 2:
            return None
        text = text[1:-1]
    ids = []
    joined = text.replace("=", ">") if form == "ties" else text
    for part in joined.split("," if listed else ">"):
        part = part.strip()
        if form in ("brackets", "ties", "rankstart", "letters"):
            if part[:1] != "[" or part[-1:] != "]":
                return None
            part = part[1:-1]
        if form == "passages":
            if not part.startswith("PASSAGE"):
                return None
            part = part[7:]
        if form == "letters":
            part = str(ord(part) - 64) if len(part) == 1 and "A" <= part <= "Z" else ""
        if not (part.isascii() and part.isdigit()) or part[0] == "0" or len(part) > 6:
            return None
        ids.append(int(part))
    return ids


_PIECES = ["1", "2", "3", "12", "[1]", "[2]", "[3]", "[A]", "[B]", "PASSAGE1", "PASSAGE2", "C"]
_PIECES += ["[", "]", "[rankstart]", "[rankend]", ">", " > ", ",", ", ", " ", "\n", ".", "(", ":"]
_PIECES += ["[2, 1]", "[B", "PASS", "=", "}", "\u0661", "\uff12", "0", "-", "the ", "ranking: "]
_CHAINS = [written(form, [2, 1, 3], " ") for form in FORMATS]


@pytest.mark.parametrize("form", FORMATS)
@settings(max_examples=1500)
@given(
    text=st.one_of(
        st.text(max_size=40),
        st.lists(st.sampled_from([*_PIECES, *_CHAINS]), max_size=12).map("".join),
    ),
    k=st.integers(1, 14),
    cut=st.booleans(),
)
def test_no_text_is_read_as_what_it_is_not(form: str, text: str, k: int, cut: bool) -> None:
    rules = ReadingRules(form=FORMATS[form])
    parsed = parse_permutation(text, k, cut_by_length=cut, rules=rules)
    if parsed.permutation is None:
        assert parsed.outcome in (MALFORMED, TRUNCATED)
        assert parsed.why
    else:
        assert sorted(parsed.permutation) == list(range(k))
    # A heading, be it a colon alone, and tags are formatting, with tests of their own.
    formatting = r'^[\s,!.#:]*:|ranking|the|[<`*"&\\\u201c\u201d\ufeff\u200b\u2060\u200e\u200f]'
    if not re.search(formatting, text.replace("[rank", "")):
        ids = clean_in(form, text)
        assert (parsed.outcome is OK) == (ids is not None and sorted(ids) == [*range(1, k + 1)])


@pytest.mark.parametrize("form", FORMATS)
def test_a_long_answer_is_read_in_linear_time(form: str) -> None:
    rules = ReadingRules(form=FORMATS[form])
    for text in ("[1" + " " * 90_000, "1 > " * 40_000 + "x", "[1, " * 40_000, "[" * 90_000):
        for cut in (True, False):
            parse_permutation(text, 20, cut_by_length=cut, rules=rules)


@pytest.mark.parametrize("form", FORMATS.values(), ids=FORMATS)
def test_a_format_reads_its_own_sample(form: object) -> None:
    from rankgen.generator.answers.formats import AnswerFormat

    assert isinstance(form, AnswerFormat)
    parsed = parse_permutation(form.sample, 3, rules=ReadingRules(form=form))
    assert (parsed.outcome, parsed.permutation) == (OK, (1, 0, 2))
    assert form.rankings_in(f"as in {form.sample}, e.g., {form.sample}") == ((2, 1, 3),)


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        (r"^\[\d+\]( > \[\d+\])*$", "brackets"),
        (r"^\[[A-Z]\]( > \[[A-Z]\])*$", "letters"),
        (r"^\[PASSAGE\d+(, PASSAGE\d+)*\]$", "passages"),
        (r"^\[rankstart\] \[\d+\]( > \[\d+\])* \[rankend\]$", "rankstart"),
        (r"^\d+( > \d+)*$", "numbers"),
        (r"^\[\d+(, \d+)*\]$", "json"),
        (r"^<think>.*?</think>\s*<answer>\s*\[\d+\]( > \[\d+\])*\s*</answer>$", "brackets"),
        (r"^\[\d+\]( (>|=) \[\d+\])*$", "ties"),
        (r"\[\d+\]( > \[\d+\])*", "brackets"),
        (r"^[a-z]+ beats [a-z]+$", None),
        (".*", None),
    ],
)
def test_a_template_s_pattern_names_the_format(pattern: str, name: str | None) -> None:
    found = format_of_pattern(pattern)
    assert (found.name if found else None) == name


def test_an_unknown_format_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="no answer format 'jsn'") as caught:
        answer_format("jsn")
    assert "json" in str(caught.value.hint)


THINKING = ReadingRules(has_budget=True, begins_in_thought=True)


@pytest.mark.parametrize(
    "text",
    [
        "<think>So [2] > [1",
        "[2] > [1] > [3] is what I",
        "[2] > [1]",
        "",
        "So.</think> Wait. <think>[2] > [1] > [3]",
    ],
)
@pytest.mark.parametrize("begins", [True, False])
def test_a_budget_spent_within_the_thought_is_never_a_label(text: str, begins: bool) -> None:
    rules = ReadingRules(has_budget=True, begins_in_thought=begins)
    parsed = parse_permutation(text, 3, cut_by_length=True, rules=rules)
    assert (parsed.outcome, parsed.permutation) == (TRUNCATED, None)
    assert "--thinking-tokens" in parsed.why


def test_after_its_thought_an_answer_counts() -> None:
    thought = "Hmm, [1] > [2].</think>\n"
    done = parse_permutation(f"{thought}[2] > [1] > [3]", 3, cut_by_length=True, rules=THINKING)
    assert (done.outcome, done.permutation) == (OK, (1, 0, 2))
    cut = parse_permutation(f"{thought}[2] > [1] > [", 3, cut_by_length=True, rules=THINKING)
    assert (cut.outcome, cut.permutation) == (TRUNCATED, (1, 0, 2))
    # It stopped by itself, without an answer.
    assert parse_permutation("So [2] > [1]", 2, rules=THINKING).outcome is MALFORMED
