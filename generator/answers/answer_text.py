"""Extracts the answer from a model's text: removes thoughts and formatting."""

from __future__ import annotations

import re

_THOUGHT = r"(?:seed:)?(?:think|thinking|thought|thoughts|reasoning|reflection)"
_OPEN = re.compile(rf"<{_THOUGHT}>|\[THINK\]|◁think▷", re.IGNORECASE)
_CLOSE = re.compile(rf"</{_THOUGHT}>|\[/THINK\]|◁/think▷", re.IGNORECASE)
_ANSWER = re.compile(r"<answer>", re.IGNORECASE)
_ANSWER_END = re.compile(r"</answer>\s*\.?$", re.IGNORECASE)
_END_TOKENS = re.compile(r"(?:</s>|<eos>|<end_of_turn>|<\|[a-z_]{1,20}\|>)$")
_LONGEST_END_TOKEN = 24
# The look behind keeps a long row of backslashes from being read from each of them anew.
_ESCAPED = re.compile(r"(?<!\\)\\++([\[\]])")
_FENCE = re.compile(r"```[A-Za-z]*[ \t]*\n")
# The last ones have no width: byte order marks, word joiners and marks of direction.
_MARKUP = str.maketrans("", "", '*`"“”\ufeff\u200b\u2060\u200e\u200f')
_LONGEST_HEADING = 120
_WORD = re.compile(r"[^\s,!.#:]+")
_HEADING = """
    a all and answer are based below by certainly descending final following from here here's in
    is list my of okay on order ordering output passage passages query ranked ranking rankings
    relevance relevancy relevant response result results search sorted sure the their this to
"""
_HEADING_WORDS = frozenset(_HEADING.split())


def opens_thought(prompt_end: str) -> bool:
    """Says whether a prompt with this end leaves a thought open, in which the answer starts."""
    return _without_thoughts(prompt_end) is None


def closes_thought(text: str) -> bool:
    """Says whether a text contains the end of a thought."""
    return _CLOSE.search(text) is not None


def answer_of(text: str, begins_in_thought: bool = False, opening: str = r"\[") -> str | None:
    """Returns the text after the last thought, without formatting; None inside a thought.

    Formatting does not change the meaning: white space, code fences, bold, double quotes, signs
    without width, `<answer>` tags, end-of-turn tokens, escapes, and a heading such as "Ranking:".

    Args:
        text: The model's whole text.
        begins_in_thought: Whether the prompt opens a thought that the text must close.
        opening: A regular expression for the first character of a ranking, where a heading ends.
    """
    if begins_in_thought and not closes_thought(text):
        return None
    answer = _without_thoughts(text)
    return None if answer is None else _without_formatting(answer, opening)


def _without_thoughts(text: str) -> str | None:
    closed = 0
    for match in _CLOSE.finditer(text):
        closed = match.end()
    return None if _OPEN.search(text, closed) else text[closed:]


def _without_formatting(text: str, opening: str) -> str:
    before, answer = None, text
    while answer != before:
        before = answer
        answer = _ESCAPED.sub(r"\1", answer.replace("&gt;", ">"))
        answer = _within_answer_tags(_without_end_tokens(answer.strip()))
        answer = _FENCE.sub("\n", answer).translate(_MARKUP)
        answer = _without_heading(answer, opening).strip()
    return answer


def _without_end_tokens(text: str) -> str:
    """Drops all tokens at the end that end a turn, in one go: a model may repeat them for long."""
    end = len(text)
    while found := _END_TOKENS.search(text, max(0, end - _LONGEST_END_TOKEN), end):
        end = found.start()
        while end and text[end - 1].isspace():
            end -= 1
    return text[:end]


def _within_answer_tags(text: str) -> str:
    """Returns the content of the only `<answer>`, if the text ends with it.

    The opening tag may be missing because a thought contained it.
    """
    opened = [match.end() for match in _ANSWER.finditer(text)] or [0]
    if len(opened) > 1:
        return text
    inside = _ANSWER_END.sub("", text[opened[0] :])
    return text if "</answer>" in inside.lower() else inside


def _without_heading(text: str, opening: str) -> str:
    """Drops words such as "Here is the final ranking:" before the first bracket."""
    found = re.search(opening, text)
    head = text[: found.start()] if found else text
    heading = head.rstrip()
    if not found or not heading.endswith(":") or len(heading) > _LONGEST_HEADING:
        return text
    words = _WORD.findall(heading.lower().replace("\u2019", "'"))
    if all(word in _HEADING_WORDS for word in words):
        return text[len(head) :]
    return text
