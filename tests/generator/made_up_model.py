"""An engine whose answers are made up of its prompts, as greedy decoding would: no model needed."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from functools import cache

from rankgen.generator.answers.formats import BRACKETS
from rankgen.generator.answers.leading import ids_text
from rankgen.generator.answers.outcomes import TokenUsage
from rankgen.generator.engines.base import EnginePrompt, Generation
from rankgen.generator.prompts.profiles import ChatMessage
from rankgen.generator.prompts.token_texts import AnswerTexts
from rankgen.generator.prompts.tokenizer import TeacherTokenizer, load_tokenizer

END = 2


@cache
def tokenizer() -> TeacherTokenizer:
    return load_tokenizer("rankzephyr", None, "zephyr")


@cache
def texts() -> AnswerTexts:
    return tokenizer().answer_texts(BRACKETS)


class MadeUpModel:
    """Continues prompts of RankZephyr's tokens; some answers have faults, at any place.

    Args:
        faults: Share of the answers with a fault.
        ends: Whether answers end by themselves, and not at their limit alone.
    """

    repeatable = True

    def __init__(self, faults: float = 0.0, *, ends: bool = False) -> None:
        self._faults, self._ends = faults, ends
        self._answers: dict[tuple[int, ...], list[int]] = {}
        # The prompt's length, the limit, and the tokens written, of every request.
        self.requests = list[tuple[int, int, int]]()

    def wants_merged_system(self, messages: Sequence[ChatMessage]) -> bool:
        return False

    async def generate(self, prompt: EnginePrompt, max_tokens: int) -> Generation:
        asked = prompt.token_ids
        begun = next((own for own in self._answers if asked[: len(own)] == own), asked)
        if begun is asked:
            self._answers[asked] = self._answer(asked)
        answer, done = self._answers[begun], len(asked) - len(begun)
        assert list(asked[len(begun) :]) == answer[:done]
        written = answer[done : done + max_tokens]
        is_cut = done + max_tokens < len(answer) or not self._ends
        self.requests.append((len(asked), max_tokens, len(written)))
        return Generation(
            texts().text(asked, [one for one in written if one != END]),
            tuple(written),
            "length" if is_cut else "stop",
            TokenUsage(len(asked), len(written)),
        )

    def _answer(self, prompt: tuple[int, ...]) -> list[int]:
        chance = random.Random(str(prompt))
        text = tokenizer().decode(prompt)
        k = max(n for n in range(1, 101) if f"\n[{n}] " in text)
        order = chance.sample(range(1, k + 1), k)
        if chance.random() < self._faults:
            place, wrong = chance.randrange(k), chance.choice([0, k + 1, *order])
            order[place] = wrong
        ids = tokenizer().plain(ids_text(BRACKETS, [str(one) for one in order]))
        if chance.random() < self._faults / 4:
            ids = tokenizer().plain("Sorry, I") + ids
        # A model that is not stopped writes on.
        return [*ids, END] if self._ends else ids + tokenizer().plain(" > [1] and so on") * 2

    async def close(self) -> None:
        pass

    def facts(self) -> Mapping[str, str]:
        return {"engine": "made up"}
