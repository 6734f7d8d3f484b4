"""Reads the training rows of listwise LLMs: passages out of a prompt, their order out of an answer.

A prompt holds its passages as `[1] ...`, `[2] ...` at the start of lines, and its query after
"Search Query:" behind them, as those of rank_llm, RankZephyr and RankVicuna do. What is not so is
an error: a passage or a place that was guessed would be a wrong label.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rankgen.manifests.counted import counted

_COUNT = re.compile(r"\bprovide you with (\d+) passages\b")
_QUERY = re.compile(r"\nSearch Query: (.*?)\.?\n", re.DOTALL)
_ID = re.compile(r"\[[ \t]*(\d{1,9}|[A-Z])[ \t]*\]")
# As in label runs: an answer about few passages says too little about the others.
LEAST_NAMED = 0.5
_BETWEEN = re.compile(r"[\s>,.]*")


class NotReadable(Exception):
    """A prompt or an answer is not of the expected form; the message completes a sentence."""


@dataclass(frozen=True)
class ReadPrompt:
    """The content of a listwise prompt.

    Attributes:
        passages: In the order in which the teacher saw them.
    """

    query: str
    passages: tuple[str, ...]


@dataclass(frozen=True)
class ReadAnswer:
    """The order that an answer gives to n passages.

    Attributes:
        order: Places from 0, best first, a permutation of 0 to n - 1: those that are named, then
            the others in the order of the prompt.
        missing: Passages that the answer does not name.
        duplicates: Repeated ids.
        out_of_range: Ids that no passage has.
    """

    order: tuple[int, ...]
    missing: int
    duplicates: int
    out_of_range: int

    @property
    def is_whole(self) -> bool:
        """Whether each passage is named once and nothing else is."""
        return not (self.missing or self.duplicates or self.out_of_range)


def read_prompt(text: str) -> ReadPrompt:
    """Reads the query and the passages of a prompt.

    Passages may span lines. Passages are numbered from 1, or lettered from A as in FIRST.

    Raises:
        NotReadable: The prompt has no numbered passages or no query, or announces another number
            of passages.
    """
    lettered = "\n[A] " in text and "\n[1] " not in text
    starts: list[tuple[int, int]] = []
    while True:
        name = chr(ord("A") + len(starts)) if lettered else str(len(starts) + 1)
        # rank_llm writes the numbers in brackets of a passage's own text as (3).
        mark = f"\n[{name}] "
        found = text.find(mark, starts[-1][1] - 1 if starts else 0)
        if found < 0 or (lettered and len(starts) == 26):
            break
        starts.append((found, found + len(mark)))
    if not starts:
        raise NotReadable("has no passages: no line starts with [1]")
    queries = list(_QUERY.finditer(text, starts[-1][1] - 1))
    if not queries:
        raise NotReadable("has no line 'Search Query: ...' after its passages")
    told = _COUNT.search(text, 0, starts[0][0])
    if told and int(told[1]) != len(starts):
        raise NotReadable(f"announces {told[1]} passages but numbers {len(starts)}")
    ends = [start for start, _ in starts[1:]] + [queries[-1].start()]
    passages = (text[begin:end] for (_, begin), end in zip(starts, ends, strict=True))
    return ReadPrompt(queries[-1][1], tuple(passages))


def read_answer(text: str, passages: int) -> ReadAnswer:
    """Reads an answer such as `[2] > [1] > [3]`; only ids in brackets count.

    Args:
        text: The answer.
        passages: Number of passages in the prompt.

    Raises:
        NotReadable: The answer names less than half of the passages, or has words beside its ids,
            which may place a passage elsewhere.
    """
    named: dict[int, None] = {}
    duplicates = out_of_range = 0
    for written in _ID.findall(text):
        place = int(written) - 1 if written.isdigit() else ord(written) - ord("A")
        if not 0 <= place < passages:
            out_of_range += 1
        elif place in named:
            duplicates += 1
        else:
            named[place] = None
    if not named:
        raise NotReadable(
            f"is not a permutation of its {counted(passages, 'passage')}: {_shown(text)}"
        )
    if len(named) < LEAST_NAMED * passages:
        raise NotReadable(
            f"names {len(named)} of its {counted(passages, 'passage')}: {_shown(text)}"
        )
    if not _BETWEEN.fullmatch(_ID.sub("", text)):
        raise NotReadable(f"has words beside its permutation: {_shown(text)}")
    rest = [place for place in range(passages) if place not in named]
    return ReadAnswer((*named, *rest), len(rest), duplicates, out_of_range)


def written_answer(order: Sequence[int]) -> str:
    """Returns places from 0 as an answer: `[2] > [1]`."""
    return " > ".join(f"[{place + 1}]" for place in order)


def _shown(text: str) -> str:
    line = " ".join(text.split())
    return repr(line if len(line) <= 60 else line[:57] + "...")
