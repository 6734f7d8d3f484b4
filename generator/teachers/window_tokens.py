"""The tokens and requests of a window before it is asked, for `--dry-run`; needs no engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from rankgen.generator.teachers.registry import make_pair_builder, make_prompter
from rankgen.generator.teachers.settings import LabelSettings
from rankgen.manifests.records import Document, Query


class WindowTokens(NamedTuple):
    """What a window takes: tokens read and, at most, written, and requests to the engine."""

    prompt: int
    output: int
    requests: int = 1


class AskedInWords(NamedTuple):
    """How a teacher is asked.

    Attributes:
        prompt: The prompt's name.
        answers: What an answer looks like.
        tokenizer: Whose tokens are counted.
        has_several: Whether a window takes several requests.
        tokens: Counts a window, of which so many leading passages are needed; None for all.
    """

    prompt: str
    answers: str
    tokenizer: str
    has_several: bool
    tokens: Callable[[Query, Sequence[Document], int | None], WindowTokens]


def asked_in_words(teacher: LabelSettings) -> AskedInWords | None:
    """Returns how a teacher is asked; None for one that reads no tokens in an engine.

    Args:
        teacher: Resolved settings.
    """
    if teacher.engine is None:
        return None
    if teacher.preset.kind == "pairwise":
        return _pairwise(teacher)
    if teacher.preset.kind == "pointwise":
        return _pointwise(teacher)
    asked = teacher.listwise_prompt()
    if asked is None:
        return None
    prompter = make_prompter(teacher)

    def tokens(query: Query, passages: Sequence[Document], first: int | None) -> WindowTokens:
        read = len(prompter.build(query, passages).token_ids)
        return WindowTokens(read, prompter.most_output(len(passages), first))

    return AskedInWords(asked.name, asked.form.sample, teacher.tokenizer or "", False, tokens)


def _pairwise(teacher: LabelSettings) -> AskedInWords:
    from rankgen.generator.teachers.pairwise import ANSWER_TOKENS, built_pair

    builder = make_pair_builder(teacher)
    answer = teacher.max_output_tokens or ANSWER_TOKENS

    def tokens(query: Query, passages: Sequence[Document], first: int | None) -> WindowTokens:
        del first
        k = len(passages)
        # Each passage stands once in each place of these pairs, and k - 1 times in those of all.
        around = [(place, (place + 1) % k) for place in range(k)]
        read = sum(len(built_pair(builder, query, passages, p, answer).token_ids) for p in around)
        requests = k * (k - 1)
        return WindowTokens(read * (k - 1), answer * requests, requests)

    name = builder.profile.name
    return AskedInWords(name, "Passage A", teacher.tokenizer or "", True, tokens)


def _pointwise(teacher: LabelSettings) -> AskedInWords | None:
    from rankgen.generator.teachers.pair_family import pair_prompt_of
    from rankgen.generator.teachers.prompted_pairs import hub_name
    from rankgen.manifests.models.pair_model import PairTokenizer

    prompt = pair_prompt_of(teacher)
    if prompt is None:
        return None
    pairs = PairTokenizer(hub_name(teacher), prompt, teacher.context_size)

    def tokens(query: Query, passages: Sequence[Document], first: int | None) -> WindowTokens:
        del first
        read = sum(len(pairs.ids(query.text, passage.contents)) for passage in passages)
        return WindowTokens(read, len(passages), len(passages))

    return AskedInWords(prompt.name, prompt.yes, teacher.model or "", True, tokens)
