"""Fits a prompt into its token budget, in a bounded computation.

A prompt within the budget is not changed. Otherwise the query is cut first, down to its share, and
then all passages are cut to one common length, the largest that fits (water-filling).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rankgen.generator.answers.outcomes import TeacherFailure
from rankgen.generator.prompts.assembly import LineAssembler
from rankgen.generator.prompts.chat_format import merge_system
from rankgen.generator.prompts.profiles import ChatMessage
from rankgen.generator.prompts.prompt import ListwisePrompt
from rankgen.generator.prompts.tokenizer import TeacherTokenizer
from rankgen.manifests.counted import counted
from rankgen.manifests.records import Document, Query

# The prompt contains the query twice; both together may take a quarter of the budget.
_QUERY_SHARE = 8
# A cut text may take a token or two more than its part of the whole did; each round makes room.
_ROUNDS = 6


@dataclass(frozen=True)
class BuiltPrompt:
    """A prompt within its budget.

    Attributes:
        messages: The prompt as chat messages.
        text: The prompt in the model's chat format.
        token_ids: The ids of `text`, beginning token included.
        cut: How many texts, passages and query, were shortened by tokens.
    """

    messages: tuple[ChatMessage, ...]
    text: str
    token_ids: tuple[int, ...]
    cut: int


class PromptBuilder:
    """Builds the prompts of one listwise teacher.

    Args:
        profile: The prompt's wording.
        tokenizer: The model's tokenizer and chat format.
        context_size: Tokens of prompt and answer together.
        merges_system: Whether the system text is sent at the start of the user turn.
    """

    def __init__(
        self,
        profile: ListwisePrompt,
        tokenizer: TeacherTokenizer,
        context_size: int,
        *,
        merges_system: bool = False,
    ) -> None:
        self.profile = profile
        self.merges_system = merges_system
        self.tokenizer = tokenizer
        self.context_size = context_size
        self._assembler = LineAssembler(tokenizer)

    def build(self, query: Query, documents: Sequence[Document], output_tokens: int) -> BuiltPrompt:
        """Returns the prompt for one window.

        Args:
            query: The query.
            documents: The window, best first.
            output_tokens: Tokens to leave for the answer.

        Raises:
            TeacherFailure: Not even the instructions without passages fit.
        """
        budget = self.context_size - output_tokens
        query_text = self.profile.query_text(query)
        passages = self.profile.passages(documents)
        prompt = self._prompt(query_text, passages, cut=0)
        if len(prompt.token_ids) <= budget:
            return prompt
        head = self.tokenizer.cut(query_text, budget // _QUERY_SHARE)
        return self._shortened(head, passages, budget, queries_cut=int(head != query_text))

    def _shortened(
        self, query_text: str, passages: list[str], budget: int, queries_cut: int
    ) -> BuiltPrompt:
        lengths = [len(self.tokenizer.plain(passage)) for passage in passages]
        prompt = self._prompt(query_text, passages, cut=queries_cut)
        room = budget - (len(prompt.token_ids) - sum(lengths))
        for _ in range(_ROUNDS):
            over = len(prompt.token_ids) - budget
            if over <= 0:
                return prompt
            cap = common_cap(lengths, room)
            heads = [self.tokenizer.cut(passage, cap) for passage in passages]
            shortened = sum(map(str.__ne__, heads, passages))
            prompt = self._prompt(query_text, heads, cut=queries_cut + shortened)
            room -= max(len(prompt.token_ids) - budget, 0) + len(passages)
        prompt = self._prompt(
            query_text, [""] * len(passages), cut=queries_cut + sum(map(bool, passages))
        )
        if len(prompt.token_ids) <= budget:
            return prompt
        raise TeacherFailure(
            f"the prompt without its passages has {counted(len(prompt.token_ids), 'token')}, more "
            f"than the {budget} that a context of {self.context_size} leaves"
        )

    def _prompt(self, query_text: str, passages: Sequence[str], cut: int) -> BuiltPrompt:
        messages = self.profile.messages(query_text, passages)
        if self.merges_system:
            messages = merge_system(messages)
        text = self.tokenizer.chat_text(messages)
        return BuiltPrompt(messages, text, tuple(self._assembler.encode(text)), cut)


def common_cap(lengths: Sequence[int], room: int) -> int:
    """Returns the largest c with sum(min(length, c)) <= room, at least 0; O(n log n).

    If everything fits, this is the greatest length.
    """
    left = room
    ordered = sorted(lengths)
    for position, length in enumerate(ordered):
        equal_part = left // (len(ordered) - position)
        if length > equal_part:
            return max(equal_part, 0)
        left -= length
    return ordered[-1] if ordered else 0
