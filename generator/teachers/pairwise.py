"""A large language model that compares two passages at a time, each pair in both orders.

A window of k passages takes k * (k - 1) calls. The passage that wins most comparisons comes first
(Copeland's method, PRP-Allpair); `--window 2 --stride 1` is one bubble pass (PRP-Sliding), and
`--strategy setwise-bubble --window 2` sorts the top.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
from collections.abc import Mapping, Sequence

from rankgen.generator.answers.outcomes import (
    NO_TOKENS,
    FailedCall,
    TeacherFailure,
    TokenUsage,
    WindowOutcome,
    WindowResult,
)
from rankgen.generator.answers.pair_answer import PAIR_ANSWER_RULES, read_letter
from rankgen.generator.answers.pair_verdicts import ordered_pairs, verdicts
from rankgen.generator.engines.base import Engine, EnginePrompt, Generation
from rankgen.generator.engines.cost.purse import CostCapReached
from rankgen.generator.engines.gauges import gauges_of
from rankgen.generator.engines.settings import same_answers
from rankgen.generator.prompts.budget import BuiltPrompt, PromptBuilder
from rankgen.generator.teachers.settings import LabelSettings
from rankgen.generator.teachers.sources import adapter_source, model_source
from rankgen.manifests.records import Document, Query

# "Passage A" and a few words around it.
ANSWER_TOKENS = 16


class PairwiseTeacher:
    """Ranks windows by comparisons; takes resolved settings."""

    def __init__(self, settings: LabelSettings, builder: PromptBuilder, engine: Engine) -> None:
        self._settings, self._builder, self._engine = settings, builder, engine
        source, adapter = model_source(settings), adapter_source(settings)
        self._model = None if source is None else source.identity()
        self._adapter = None if adapter is None else adapter.identity()
        self._budget = settings.max_output_tokens or ANSWER_TOKENS
        self.name = settings.teacher
        self.default_window = settings.preset.window
        self.default_stride = settings.preset.stride

    async def rank_window(self, query: Query, passages: Sequence[Document]) -> WindowResult:
        """Asks about all pairs at once; see `Teacher.rank_window`."""
        pairs = ordered_pairs(len(passages))
        built = [built_pair(self._builder, query, passages, pair, self._budget) for pair in pairs]
        asked = (self._ask(prompt) for prompt in built)
        # All of them end before the first failure is told, so that none outlives its window.
        found = await asyncio.gather(*asked, return_exceptions=True)
        given = [one for one in found if isinstance(one, Generation)]
        usage = sum((one.usage for one in given), NO_TOKENS)
        cut = max(prompt.cut for prompt in built)
        for one in found:
            if isinstance(one, BaseException):
                raise _with_cost(one, usage, cut)
        letters = [read_letter(one.text, is_cut=one.finish_reason == "length") for one in given]
        decided = verdicts(len(passages), dict(zip(pairs, letters, strict=True)))
        unread = [
            f"{i + 1},{j + 1}: {' '.join(one.text.split())[:200]}"
            for (i, j), one, letter in zip(pairs, given, letters, strict=True)
            if letter is None
        ]
        evidence = "\n".join([decided.evidence, *unread])
        least = self._settings.min_named or 0.0
        if decided.unread == len(pairs) or len(pairs) - decided.unread < least * len(pairs):
            is_cut = any(one.finish_reason == "length" for one in given)
            more = " (some were cut: raise --max-output-tokens)" if is_cut else ""
            raise TeacherFailure(
                f"{decided.unread} of {len(pairs)} answers name neither passage, or both{more}",
                outcome=WindowOutcome.MALFORMED,
                output_text=evidence,
                usage=usage,
                cut=cut,
            )
        return WindowResult(
            permutation=decided.order,
            outcome=WindowOutcome.REPAIRED if decided.unread else WindowOutcome.OK,
            usage=usage,
            output_text=evidence,
            cut=cut,
            scores=decided.wins,
            are_relative=True,
        )

    async def _ask(self, built: BuiltPrompt) -> Generation:
        prompt = EnginePrompt(built.messages, built.token_ids)
        return await self._engine.generate(prompt, self._budget)

    def gauges(self) -> Mapping[str, float]:
        """Returns the engine's gauges."""
        return gauges_of(self._engine)

    async def close(self) -> None:
        """Stops the engine."""
        await self._engine.close()

    def identity(self) -> Mapping[str, object]:
        """Returns model, prompt, tokenizer and sampling; see `Teacher.identity`."""
        settings, profile = self._settings, self._builder.profile
        return {
            "teacher": settings.teacher,
            "model": self._model,
            "revision": settings.revision,
            "engine": settings.engine,
            "api": same_answers(settings.api),
            "dtype": settings.dtype,
            "tensor_parallel": settings.tensor_parallel,
            "seed": settings.seed,
            "sampling": "greedy",
            "max_output_tokens": self._budget,
            "context_size": self._builder.context_size,
            "min_named": settings.min_named,
            "answer_rules": PAIR_ANSWER_RULES,
            "prompt": profile.name,
            "prompt_sha256": profile.sha256,
            "tokenizer_sha256": self._builder.tokenizer.sha256,
            **({"lora": self._adapter} if self._adapter else {}),
            **({"engine_args": settings.engine_args} if settings.engine_args else {}),
        }

    def facts(self) -> Mapping[str, str]:
        """Returns the provenance of the engine, the tokenizer and the text repair."""
        return {
            "ftfy": importlib.metadata.version("ftfy"),
            "tokenizer_sha256": self._builder.tokenizer.sha256,
            "pairwise_prompt": self._builder.profile.name,
            **self._engine.facts(),
        }


def built_pair(
    builder: PromptBuilder,
    query: Query,
    passages: Sequence[Document],
    pair: tuple[int, int],
    answer_tokens: int = ANSWER_TOKENS,
) -> BuiltPrompt:
    """Returns the prompt that shows two passages of a window, the first of the pair as A."""
    return builder.build(query, [passages[place] for place in pair], answer_tokens)


def _with_cost(error: BaseException, usage: TokenUsage, cut: int) -> BaseException:
    """Returns the error with the tokens of the window's other calls, which were paid for."""
    others = FailedCall("another comparison of the window failed", usage=usage, cut=cut)
    if usage == NO_TOKENS:
        return error
    if isinstance(error, TeacherFailure):
        return error.after([others], cut)
    return error.after([others]) if isinstance(error, CostCapReached) else error
