"""Builds the prompts of listwise teachers; needs no engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from rankgen.generator.answers.first_token import TOKENS
from rankgen.generator.answers.formats import BRACKETS, AnswerFormat
from rankgen.generator.answers.leading import ids_text
from rankgen.generator.answers.permutation import ANSWER_RULES, ReadingRules
from rankgen.generator.answers.ranking_walk import most_spaces
from rankgen.generator.prompts.budget import BuiltPrompt, PromptBuilder
from rankgen.generator.prompts.chat_format import merge_system
from rankgen.generator.prompts.profiles import ChatMessage
from rankgen.generator.prompts.token_texts import AnswerTexts
from rankgen.generator.teachers.asking import OnMalformed
from rankgen.manifests.errors import UsageError
from rankgen.manifests.records import Document, Query

# Tokens for a chat model's "Here is the ranking:" and spaces, beside the ids.
_CHAT_SLACK = 64
_TRIAL_QUERY = Query("trial", "what melts ice")
_TRIAL_PASSAGES = (
    Document("1", "", "Salt melts ice."),
    Document("2", "", "Ice floats on water."),
)


@dataclass(frozen=True)
class Decoding:
    """How answers are requested and read.

    Attributes:
        exact_output: Ask for exactly the tokens of a permutation.
        max_output_tokens: Limit on the tokens of an answer; None computes it from the window.
        first_token: Ask for the first token of a ranking only.
        thinking_tokens: Tokens added for the thought; None for a model that does not think.
        on_malformed: The policy for answers that are not `ok`.
        rules: How answers are read.
        stops_early: Whether an answer ends where a single passage is left to name.
        constrained: Whether the model can write rankings only.
    """

    exact_output: bool
    max_output_tokens: int | None
    on_malformed: OnMalformed
    rules: ReadingRules
    thinking_tokens: int | None = None
    first_token: bool = False
    stops_early: bool = False
    constrained: bool = False


class ListwisePrompter:
    """Builds prompts and limits their answers; `--dry-run` counts tokens with it."""

    def __init__(self, builder: PromptBuilder, decoding: Decoding) -> None:
        self._builder = builder
        self.decoding = decoding

    @property
    def system_turn(self) -> str:
        """How the system text is sent: "own" turn, or "merged" into the user's turn."""
        return "merged" if self._builder.merges_system else "own"

    @property
    def tokenizer_sha256(self) -> str:
        """Identifies the tokenizer and its chat format."""
        return self._builder.tokenizer.sha256

    @property
    def form(self) -> AnswerFormat:
        """The format in which the prompt asks for the ranking."""
        return self._builder.profile.form

    def output_budget(self, k: int) -> int:
        """Returns the token limit of an answer about k passages.

        Raises:
            UsageError: The context has no room for it.
        """
        ids, context_size = (
            self._builder.tokenizer.permutation_tokens(k),
            self._builder.context_size,
        )
        if self.decoding.first_token:
            budget = TOKENS
        elif self.decoding.exact_output:
            budget = ids
        else:
            budget = self.decoding.max_output_tokens or 2 * ids + _CHAT_SLACK
            budget += self.decoding.thinking_tokens or 0
        if budget >= context_size:
            raise UsageError(
                f"an answer of {budget} tokens leaves no room for a prompt in a context of "
                f"{context_size}",
                "raise --context-size or lower --window",
            )
        return budget

    def lead(self, k: int, first: int | None) -> int | None:
        """Returns how many ids an answer about k passages is asked for; None for all.

        Args:
            k: Number of passages.
            first: How many leading passages are needed; None for all.
        """
        decoding = self.decoding
        wanted = k if first is None else min(first, k)
        if decoding.constrained:
            return min(wanted, k - 1)
        if wanted >= k - 1:
            wanted = k - 1 if decoding.stops_early else k
        if not decoding.exact_output:
            # A single id may yet turn out to be part of a sentence.
            wanted = max(wanted, 2)
        return wanted if wanted < k else None

    def lead_budget(self, k: int, lead: int) -> int:
        """Returns the token limit of an answer that names so many of k passages."""
        if not self.decoding.constrained:
            return self._builder.tokenizer.leading_tokens(self.form, k, lead)
        # A token for each character, should the model spell them out, and one for the end.
        names = sorted((self.form.identifier(rank) for rank in range(1, k + 1)), key=len)
        written = len(ids_text(self.form, names[k - lead :], gap=""))
        return written + most_spaces(self.form, k) + 1

    def most_output(self, k: int, first: int | None) -> int:
        """Returns the tokens of a clean answer, at most; see `lead`."""
        lead = self.lead(k, first)
        if lead is None:
            return self.output_budget(k)
        return self._builder.tokenizer.leading_tokens(self.form, k, lead)

    @cached_property
    def texts(self) -> AnswerTexts:
        """Reads the output ids of answers."""
        return self._builder.tokenizer.answer_texts(self.form)

    def trial(self) -> tuple[ChatMessage, ...]:
        """Returns the messages of a small prompt, to test which form a server accepts."""
        messages = self._builder.profile.render(_TRIAL_QUERY, _TRIAL_PASSAGES)
        return merge_system(messages) if self._builder.merges_system else messages

    def build(self, query: Query, passages: Sequence[Document]) -> BuiltPrompt:
        """Returns the prompt for one window; see `PromptBuilder.build`."""
        return self._builder.build(query, passages, self.output_budget(len(passages)))

    def identity(self) -> Mapping[str, object]:
        """Returns everything about prompts and answers that changes results, as JSON values."""
        profile, decoding = self._builder.profile, self.decoding
        # Absent if unused, so that older journals keep their keys.
        added: dict[str, object] = {}
        if profile.form is not BRACKETS:
            added["answer_format"] = profile.form.name
        if decoding.thinking_tokens is not None:
            added["thinking_tokens"] = decoding.thinking_tokens
        if decoding.constrained:
            added["constrained"] = True
        return {
            **added,
            "exact_output": decoding.exact_output,
            "context_size": self._builder.context_size,
            "on_malformed": decoding.on_malformed,
            "min_named": decoding.rules.least_named,
            "answer_rules": ANSWER_RULES,
            "system_turn": self.system_turn,
            "prompt_profile": profile.name,
            "prompt_sha256": profile.sha256,
            "tokenizer_sha256": self.tokenizer_sha256,
        }
