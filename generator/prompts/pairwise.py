"""The prompt that compares two passages, as a frozen prompt like the listwise ones.

Source: Qin et al., "Large Language Models are Effective Text Rankers with Pairwise Ranking
Prompting", NAACL 2024, arXiv 2306.17563.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from rankgen.generator.answers.formats import BRACKETS, AnswerFormat
from rankgen.generator.prompts.passages import WORDS_AT_20, prepare_passage
from rankgen.generator.prompts.profiles import ChatMessage
from rankgen.manifests.records import Document, Query
from rankgen.manifests.storage.digest import sha256_of_value


@dataclass(frozen=True)
class PairwisePrompt:
    """Asks which of two passages is more relevant; a `ListwisePrompt` about exactly two.

    Attributes:
        name: Its name in manifests.
        opening: Text before the passages, around the query.
        closing: Text after them.
        words: Words kept of each passage.
    """

    name: str = "prp"
    opening: tuple[str, str] = (
        "Given a query ",
        ", which of the following two passages is more relevant to the query?",
    )
    closing: str = "Output Passage A or Passage B:"
    words: int = WORDS_AT_20

    @property
    def sha256(self) -> str:
        """Identifies every character and rule of the prompt."""
        return sha256_of_value(asdict(self))

    @property
    def form(self) -> AnswerFormat:
        """Of no use here: the answer is a letter."""
        return BRACKETS

    @property
    def examples(self) -> tuple[tuple[int, ...], ...]:
        """There are none."""
        return ()

    def passages(self, documents: Sequence[Document]) -> list[str]:
        """Returns the passages as they appear in the prompt, before any token limit."""
        return [prepare_passage(one.title, one.text, self.words) for one in documents]

    def query_text(self, query: Query) -> str:
        """Returns the query as it appears in the prompt."""
        return query.text

    def messages(self, query_text: str, passages: Sequence[str]) -> tuple[ChatMessage, ...]:
        """Returns the message about two passages, the first of them as A."""
        first, second = passages
        asked = query_text.join(self.opening)
        parts = (asked, f"Passage A: {first}", f"Passage B: {second}", self.closing)
        return (ChatMessage("user", "\n\n".join(parts)),)

    def render(self, query: Query, documents: Sequence[Document]) -> tuple[ChatMessage, ...]:
        """Returns the message about two passages, without any token limit."""
        return self.messages(self.query_text(query), self.passages(documents))


PRP = PairwisePrompt()
