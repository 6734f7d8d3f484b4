"""What a listwise prompt can do, whether it is a profile or a template."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from rankgen.generator.answers.formats import AnswerFormat
from rankgen.generator.prompts.profiles import ChatMessage
from rankgen.manifests.records import Document, Query


class ListwisePrompt(Protocol):
    """Writes the messages that ask a model to rank a window of passages."""

    @property
    def name(self) -> str:
        """Its name in manifests."""

    @property
    def sha256(self) -> str:
        """Identifies every character and rule of the prompt."""

    @property
    def form(self) -> AnswerFormat:
        """The format in which it asks for the ranking."""

    @property
    def examples(self) -> tuple[tuple[int, ...], ...]:
        """The ids of the rankings that the prompt gives as examples."""

    def passages(self, documents: Sequence[Document]) -> list[str]:
        """Returns the passages as they appear in the prompt, before any token limit."""

    def query_text(self, query: Query) -> str:
        """Returns the query as it appears in the prompt."""

    def messages(self, query_text: str, passages: Sequence[str]) -> tuple[ChatMessage, ...]:
        """Returns the messages for texts prepared by `query_text` and `passages`."""

    def render(self, query: Query, documents: Sequence[Document]) -> tuple[ChatMessage, ...]:
        """Returns the messages for one window, best first, without any token limit."""
