"""The forms in which teachers write a ranking, each as its rewriting into `[2] > [1] > [3]`.

A prompt names the format of its answers. An answer is `ok` only if it is clean in that format;
`rewrite` turns whatever can be read without a doubt into bracketed ids, which `permutation` reads.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from rankgen.generator.answers import rewriting
from rankgen.manifests.errors import UsageError, did_you_mean

_N = "[1-9][0-9]{0,5}"
_CHAIN = rf"\[{_N}\](?:\s*>\s*\[{_N}\])*"


@dataclass(frozen=True)
class Spelling:
    """What a clean answer consists of besides ids; white space may stand around all but the ids.

    Attributes:
        begin: What the ranking begins with.
        before: What stands right before each id.
        after: What stands right after each id.
        between: What stands between two passages.
    """

    begin: str = ""
    before: str = ""
    after: str = ""
    between: str = ">"


@dataclass(frozen=True)
class AnswerFormat:
    """How a prompt asks for a ranking.

    Attributes:
        name: Its name in templates and manifests.
        sample: Passage 2 before 1 before 3, written in it.
        clean: A regular expression for whole answers that follow it.
        rewrite: Writes the ids of an answer in brackets; called with the answer, the number of
            passages, and whether the token limit cut the answer.
        opening: A regular expression for what an answer starts with, where a heading ends.
        uses_letters: Whether passages are [A], [B], ... and not [1], [2], ...
        spelling: The parts of a clean answer; None if several answers may mean the same order.
    """

    name: str
    sample: str
    clean: str
    rewrite: Callable[[str, int, bool], str]
    opening: str = r"\["
    uses_letters: bool = False
    spelling: Spelling | None = None

    def is_clean(self, answer: str) -> bool:
        """Says whether an answer follows the format; its ids may still be wrong."""
        return re.fullmatch(rf"(?:{self.clean})\s*\.?", answer) is not None

    def rankings_in(self, prompt: str) -> tuple[tuple[int, ...], ...]:
        """Returns the rankings of two or more passages that a prompt gives as examples."""
        written = (match[0] for match in re.finditer(self.clean, prompt))
        plain = (self.rewrite(one, len(one), False) for one in written)
        found = (tuple(int(number) for number in re.findall(r"\d+", one)) for one in plain)
        return tuple(dict.fromkeys(ids for ids in found if len(ids) > 1))

    def identifier(self, rank: int) -> str:
        """Returns what stands for the passage at a rank, from 1, in the prompt."""
        return chr(ord("A") + rank - 1) if self.uses_letters else str(rank)


_LETTERS = r"\[[A-Z]\](?:\s*>\s*\[[A-Z]\])*"
_PASSAGES = rf"\[\s*PASSAGE{_N}(?:\s*,\s*PASSAGE{_N})*\s*\]"
_TIED = rf"\[{_N}\](?:\s*[>=]\s*\[{_N}\])*"
_BRACKETED = Spelling(before="[", after="]")
BRACKETS = AnswerFormat(
    "brackets", "[2] > [1] > [3]", _CHAIN, rewriting.unchanged, spelling=_BRACKETED
)
MOST_LETTERS = 26

FORMATS: dict[str, AnswerFormat] = {
    one.name: one
    for one in (
        BRACKETS,
        AnswerFormat("ties", "[2] > [1] = [3]", _TIED, rewriting.untied),
        AnswerFormat(
            "numbers",
            "2 > 1 > 3",
            rf"{_N}(?:\s*>\s*{_N})*",
            rewriting.numbers,
            opening=r"\d|\[",
            spelling=Spelling(),
        ),
        AnswerFormat(
            "letters",
            "[B] > [A] > [C]",
            _LETTERS,
            rewriting.letters,
            uses_letters=True,
            spelling=_BRACKETED,
        ),
        AnswerFormat(
            "rankstart",
            "[rankstart] [2] > [1] > [3] [rankend]",
            rf"\[rankstart\]\s*{_CHAIN}\s*\[rankend\]",
            rewriting.marked,
            spelling=Spelling("[rankstart]", "[", "]"),
        ),
        AnswerFormat(
            "json",
            "[2, 1, 3]",
            rf"\[\s*{_N}(?:\s*,\s*{_N})*\s*\]",
            rewriting.arrays,
            spelling=Spelling("[", between=","),
        ),
        AnswerFormat(
            "passages",
            "[PASSAGE2, PASSAGE1, PASSAGE3]",
            _PASSAGES,
            rewriting.arrays,
            spelling=Spelling("[", "PASSAGE", between=","),
        ),
    )
}


def answer_format(name: str) -> AnswerFormat:
    """Returns the format of that name.

    Raises:
        UsageError: There is no such format.
    """
    try:
        return FORMATS[name]
    except KeyError:
        raise UsageError(
            f"there is no answer format '{name}'", did_you_mean(name, FORMATS)
        ) from None


def format_of_pattern(pattern: str) -> AnswerFormat | None:
    """Returns the format whose sample a regular expression accepts; None for none or several.

    Args:
        pattern: What a template says of valid answers. It may ask for `<answer>` tags, which are
            formatting here.

    Raises:
        re.error: It is not a regular expression.
    """
    compiled = re.compile(pattern, re.DOTALL)
    fitting = [
        one
        for one in FORMATS.values()
        if any(compiled.fullmatch(text) for text in _wrapped(one.sample))
    ]
    if fitting == [BRACKETS, FORMATS["ties"]]:
        # Where ties are allowed, a ranking without any is valid too.
        return fitting[1]
    return fitting[0] if len(fitting) == 1 else None


def _wrapped(sample: str) -> list[str]:
    answers = [sample, f"<answer>{sample}</answer>", f"<answer> {sample} </answer>"]
    thoughts = [f"<think>so</think>{gap}" for gap in ("", " ", "\n", "\n\n")]
    return [f"{before}{answer}" for before in ("", *thoughts) for answer in answers]
