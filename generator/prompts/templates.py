"""Prompts from templates with placeholders, in the form of rank_llm's template files.

A single-turn template puts every passage into one user message. A multi-turn one shows them one by
one, and has the assistant confirm each. What is written for the same passages is, byte for byte,
what rank_llm's own handlers write.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rankgen.generator.answers.formats import AnswerFormat
from rankgen.generator.prompts.passages import WORDS_AT_20, prepare_passages
from rankgen.generator.prompts.profiles import ChatMessage
from rankgen.manifests.records import Document, Query
from rankgen.manifests.storage.digest import sha256_of_value

SINGLE_TURN, MULTI_TURN = "singleturn_listwise", "multiturn_listwise"
# Grows whenever the same template is rendered differently.
_RENDERING = 1
_BRACKETED = re.compile(r"\[(\d+)\]")


@dataclass(frozen=True)
class PromptTemplate:
    """A checked template; see `template_checks`.

    Attributes:
        name: Its name in manifests.
        method: `SINGLE_TURN` or `MULTI_TURN`.
        sections: Key -> text with placeholders, such as "body" -> "[{rank}] {candidate}".
        form: The format in which it asks for the ranking.
        few_shot: Turns of other rankings, shown before the question.
    """

    name: str
    method: str
    sections: Mapping[str, str]
    form: AnswerFormat
    few_shot: tuple[ChatMessage, ...] = ()

    @property
    def sha256(self) -> str:
        """Identifies every character and rule of the prompt, but not its name."""
        return sha256_of_value(
            {
                "method": self.method,
                "sections": dict(self.sections),
                "answer": self.form.name,
                "few_shot": [[turn.role, turn.content] for turn in self.few_shot],
                "words_at_20": WORDS_AT_20,
                "rendering": _RENDERING,
            }
        )

    @property
    def examples(self) -> tuple[tuple[int, ...], ...]:
        """The ids of the rankings that the prompt gives as examples."""
        texts = (*self.sections.values(), *(turn.content for turn in self.few_shot))
        found = (ids for text in texts for ids in self.form.rankings_in(text))
        return tuple(dict.fromkeys(found))

    def passages(self, documents: Sequence[Document]) -> list[str]:
        """Returns the passages as they appear in the prompt, before any token limit."""
        return prepare_passages(documents)

    def query_text(self, query: Query) -> str:
        """Returns the query as it appears in the prompt."""
        return _BRACKETED.sub(r"(\1)", query.text)

    def render(self, query: Query, documents: Sequence[Document]) -> tuple[ChatMessage, ...]:
        """Returns the messages for one window, best first, without any token limit."""
        return self.messages(self.query_text(query), self.passages(documents))

    def messages(
        self, query_text: str, passages: Sequence[str], scores: Sequence[float] = ()
    ) -> tuple[ChatMessage, ...]:
        """Returns the messages for texts prepared by `query_text` and `passages`.

        Args:
            query_text: The query.
            passages: The window, best first.
            scores: Their first-stage scores, for a template that shows them.
        """
        ids = ", ".join(f"PASSAGE{rank}" for rank in range(1, len(passages) + 1))
        whole: dict[str, object] = {
            "num": len(passages),
            "query": query_text,
            "psg_ids": f"[{ids}]",
        }
        each: list[dict[str, object]] = [
            {"rank": self.form.identifier(rank), "candidate": text}
            for rank, text in enumerate(passages, start=1)
        ]
        for values, score in zip(each, scores, strict=False):
            values["score"] = f"{score:.3f}"
        system = self._filled("system_message", {})
        start = [ChatMessage("system", system)] if system else []
        turns = self._turns(whole, each) if self.method == MULTI_TURN else self._turn(whole, each)
        return (*start, *self.few_shot, *turns)

    def _turn(
        self, whole: Mapping[str, object], each: Sequence[Mapping[str, object]]
    ) -> list[ChatMessage]:
        body = "".join(self._filled("body", values) for values in each)
        text = self._filled("prefix", whole) + body + self._filled("suffix", whole)
        return [ChatMessage("user", text)]

    def _turns(
        self, whole: Mapping[str, object], each: Sequence[Mapping[str, object]]
    ) -> list[ChatMessage]:
        turns = []
        if prefix := self._filled("prefix_user", whole):
            turns.append(ChatMessage("user", prefix))
            turns.append(ChatMessage("assistant", self._filled("prefix_assistant", whole)))
        suffix = self._filled("suffix_user", whole)
        if "body_assistant" not in self.sections:
            body = "".join(self._filled("body_user", values) for values in each)
            return [*turns, ChatMessage("user", body + suffix)]
        for values in each:
            turns.append(ChatMessage("user", self._filled("body_user", values)))
            turns.append(ChatMessage("assistant", self._filled("body_assistant", values)))
        return [*turns, ChatMessage("user", suffix)]

    def _filled(self, key: str, values: Mapping[str, object]) -> str:
        text = self.sections.get(key, "")
        # rank_llm takes the system message as it is, braces included.
        return text if key == "system_message" else text.format(**values)
