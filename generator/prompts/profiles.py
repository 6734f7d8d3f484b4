"""Named, frozen and hashed listwise prompts.

RankZephyr's prompt has changed between releases of rank_llm without notice. Labels depend on it, so
each version has a name and a hash, and every manifest contains them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from rankgen.generator.answers.formats import BRACKETS, AnswerFormat
from rankgen.generator.prompts.passages import WORDS_AT_20, prepare_passages, tidy_lines, word_cap
from rankgen.manifests.errors import UsageError, did_you_mean
from rankgen.manifests.records import Document, Query
from rankgen.manifests.storage.digest import sha256_of_value

_BRACKETED = re.compile(r"\[(\d+)\]")


@dataclass(frozen=True)
class ChatMessage:
    """One turn: role "system", "user" or "assistant", and its text."""

    role: str
    content: str


@dataclass(frozen=True)
class PromptProfile:
    """A listwise prompt as one system and one user message.

    Attributes:
        name: Its name in settings and manifests.
        system: The system message.
        prefix: Text before the passages; `{num}` and `{query}` are filled in.
        suffix: Text after the passages; likewise.
        rewrite_query_brackets: Write `[3]` as `(3)` in the query, as always in passages.
        words_at_20: Words kept of each passage in a window of 20; in proportion for others.
    """

    name: str
    system: str
    prefix: str
    suffix: str
    rewrite_query_brackets: bool
    words_at_20: int = WORDS_AT_20

    @property
    def sha256(self) -> str:
        """Identifies every character and rule of the profile."""
        return sha256_of_value(asdict(self))

    @property
    def form(self) -> AnswerFormat:
        """The format in which it asks for the ranking."""
        return BRACKETS

    @property
    def examples(self) -> tuple[tuple[int, ...], ...]:
        """The ids of the rankings that the prompt gives as examples."""
        return self.form.rankings_in(self.suffix)

    def word_cap(self, k: int) -> int:
        """Returns the words kept of each passage in a window of k: 300 * 20 / k, rounded down."""
        return word_cap(k, self.words_at_20)

    def passages(self, documents: Sequence[Document]) -> list[str]:
        """Returns the passages as they appear in the prompt, before any token limit."""
        return prepare_passages(documents, self.words_at_20)

    def query_text(self, query: Query) -> str:
        """Returns the query as it appears in the prompt."""
        if self.rewrite_query_brackets:
            return _BRACKETED.sub(r"(\1)", query.text)
        return query.text

    def messages(self, query_text: str, passages: Sequence[str]) -> tuple[ChatMessage, ...]:
        """Returns the messages for texts prepared by `query_text` and `passages`."""
        values = {"num": len(passages), "query": query_text}
        body = "".join(f"[{rank}] {text}\n" for rank, text in enumerate(passages, start=1))
        user = self.prefix.format(**values) + body + self.suffix.format(**values)
        return ChatMessage("system", self.system), ChatMessage("user", tidy_lines(user))

    def render(self, query: Query, documents: Sequence[Document]) -> tuple[ChatMessage, ...]:
        """Returns the messages for one window, best first, without any token limit."""
        return self.messages(self.query_text(query), self.passages(documents))


_SYSTEM = (
    "You are RankLLM, an intelligent assistant that can rank passages based on their relevancy "
    "to the query"
)
_PREFIX = (
    "I will provide you with {num} passages, each indicated by a numerical identifier []. Rank "
    "the passages based on their relevance to the search query: {query}.\n"
)
_SUFFIX = (
    "Search Query: {query}.\n"
    "Rank the {num} passages above based on their relevance to the search query. All the passages "
    "should be included and listed using identifiers, in descending order of relevance. The output "
    "format should be [] > [], e.g., [2] > [1], "
)

PROFILES: dict[str, PromptProfile] = {
    profile.name: profile
    for profile in (
        PromptProfile(
            name="rank_llm-0.25",
            system=_SYSTEM,
            prefix=_PREFIX,
            suffix=_SUFFIX + "Answer concisely and directly and only respond with the ranking "
            "results, do not say any word or explain.",
            rewrite_query_brackets=True,
        ),
        # As ZephyrReranker of the 0.12.8 wheel writes it: no full stop after the system message,
        # and "[2] > [1]" because that class always allows any number of passages.
        PromptProfile(
            name="rank_llm-0.12",
            system=_SYSTEM,
            prefix=_PREFIX + "\n",
            suffix=_SUFFIX
            + "Only respond with the ranking results, do not say any word or explain.",
            rewrite_query_brackets=False,
        ),
    )
}


def prompt_profile(name: str) -> PromptProfile:
    """Returns the profile of that name.

    Raises:
        UsageError: There is no such profile.
    """
    try:
        return PROFILES[name]
    except KeyError:
        raise UsageError(
            f"there is no prompt profile '{name}'", did_you_mean(name, PROFILES)
        ) from None
