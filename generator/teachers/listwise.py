"""A large language model as the teacher: prompt, engine, parser, and a policy for bad answers.

The policy (`on_malformed`) decides what happens to an answer that is not `ok`:

- "repair" (default): a repaired or truncated answer is used, counted and marked. After an answer
  without a ranking the request is repeated, at most twice, and then the window fails.
- "retry": the request is repeated, at most twice. Then the readable answer with the fewest missing
  passages is used; without one, the window fails.
- "quarantine": the window fails at once.

Every unused answer is kept in the window's evidence, with its text and tokens. A failed window
quarantines its query. A request is repeated only if the answer can change: greedy decoding in this
process always gives the same text for the same prompt.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from rankgen.generator.answers.first_token import letter_scores
from rankgen.generator.answers.outcomes import (
    FailedCall,
    TeacherFailure,
    WindowOutcome,
    WindowResult,
)
from rankgen.generator.answers.permutation import ParsedAnswer
from rankgen.generator.engines.base import Engine, EnginePrompt, Generation
from rankgen.generator.engines.capacity import Capacity, capacity_of
from rankgen.generator.engines.cost.purse import CostCapReached
from rankgen.generator.engines.gauges import gauges_of
from rankgen.generator.engines.settings import same_answers
from rankgen.generator.engines.warming import Warms
from rankgen.generator.teachers.leading_answer import asked_answer
from rankgen.generator.teachers.prefix_warmer import PrefixWarmer
from rankgen.generator.teachers.prompter import ListwisePrompter
from rankgen.generator.teachers.settings import LabelSettings
from rankgen.generator.teachers.sources import adapter_source, model_source
from rankgen.manifests.errors import EnvironmentProblem
from rankgen.manifests.records import Document, Query

_MOST_TRIES = 3


class _Tried(NamedTuple):
    """One call: how it counts if it fails, and its ranking, if any."""

    call: FailedCall
    result: WindowResult | None

    def rank(self) -> tuple[bool, bool, int]:
        """Sort key: the best answer first, and earlier answers first among equals."""
        missing = 0 if self.result is None else self.result.missing
        return self.result is None, self.call.outcome is not WindowOutcome.OK, missing


class ListwiseTeacher:
    """Ranks windows with an LLM; takes resolved settings."""

    def __init__(self, settings: LabelSettings, prompter: ListwisePrompter, engine: Engine) -> None:
        self._settings = settings
        self._prompter = prompter
        self._engine = engine
        # Computed once: every shard needs it, and a folder's digest reads all of the folder.
        source, adapter = model_source(settings), adapter_source(settings)
        self._model = None if source is None else source.identity()
        self._adapter = None if adapter is None else adapter.identity()
        self.name = settings.teacher
        self.default_window = settings.preset.window
        self.default_stride = settings.preset.stride

    async def rank_window(self, query: Query, passages: Sequence[Document]) -> WindowResult:
        """Asks the model, again if the policy says so; see `Teacher.rank_window`."""
        return await self.rank_top(query, passages, None)

    async def rank_top(
        self, query: Query, passages: Sequence[Document], first: int | None
    ) -> WindowResult:
        """Asks for the best passages of a window; see `RanksTop`."""
        built = self._prompter.build(query, passages)
        prompt = EnginePrompt(built.messages, built.token_ids)
        policy = self._prompter.decoding.on_malformed
        tries = 1 if self._engine.repeatable or policy == "quarantine" else _MOST_TRIES
        tried: list[_Tried] = []
        for _ in range(tries):
            try:
                tried.append(await self._call(prompt, len(passages), first, built.cut))
            except TeacherFailure as failure:
                raise failure.after((one.call for one in tried), built.cut) from failure
            except CostCapReached as reached:
                raise reached.after(one.call for one in tried) from reached
            if tried[-1].call.outcome is WindowOutcome.OK or (
                policy == "repair" and tried[-1].result is not None
            ):
                break
        best = min(tried, key=_Tried.rank)
        calls = [one.call for one in tried]
        is_refused = policy == "quarantine" and best.call.outcome is not WindowOutcome.OK
        if best.result is None or is_refused:
            last = calls.pop()
            raise TeacherFailure(
                last.reason, tries, last.outcome, last.output_text, last.usage, last.cut, (*calls,)
            )
        return replace(best.result, failed=tuple(call for call in calls if call is not best.call))

    async def _call(self, prompt: EnginePrompt, k: int, first: int | None, cut: int) -> _Tried:
        if self._prompter.decoding.first_token:
            generation = await self._engine.generate(prompt, self._prompter.output_budget(k))
            return _read_first_token(generation, k, cut)
        generation, parsed = await asked_answer(self._engine, self._prompter, prompt, k, first)
        if parsed.permutation is None:
            reason = f"the answer holds no ranking: {parsed.why}"
        else:
            policy = self._prompter.decoding.on_malformed
            reason = f"the answer is {parsed.outcome} and the policy is {policy}"
        call = FailedCall(reason, parsed.outcome, generation.usage, generation.text, cut)
        return _Tried(call, _result(parsed, generation, cut))

    def gauges(self) -> Mapping[str, float]:
        """Returns the engine's gauges."""
        return gauges_of(self._engine)

    def warmer(self, has_room: Callable[[], bool]) -> PrefixWarmer | None:
        """Returns what reads prompts in advance; None if the engine keeps no prefixes.

        Args:
            has_room: Says whether the engine is idle enough.
        """
        engine = self._engine
        if isinstance(engine, Warms) and engine.keeps_prefixes:
            return PrefixWarmer(self._prompter, engine, has_room)
        return None

    def capacity(self) -> Capacity | None:
        """Returns what the engine holds at once; None if it does not tell."""
        return capacity_of(self._engine)

    async def close(self) -> None:
        """Stops the engine."""
        await self._engine.close()

    def identity(self) -> Mapping[str, object]:
        """Returns model, prompt, tokenizer and sampling; see `Teacher.identity`."""
        settings = self._settings
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
            "max_output_tokens": settings.max_output_tokens,
            **self._prompter.identity(),
            # Absent if unused, so that older journals keep their keys.
            **({"lora": self._adapter} if self._adapter else {}),
            **({"engine_args": settings.engine_args} if settings.engine_args else {}),
        }

    def facts(self) -> Mapping[str, str]:
        """Returns the provenance of the engine, the tokenizer and the text repair."""
        return {
            "ftfy": importlib.metadata.version("ftfy"),
            "tokenizer_sha256": self._prompter.tokenizer_sha256,
            "system_turn": self._prompter.system_turn,
            "answer_format": self._prompter.form.name,
            **self._engine.facts(),
        }


def _read_first_token(generation: Generation, k: int, cut: int) -> _Tried:
    """Reads an answer of FIRST.

    Raises:
        EnvironmentProblem: The server gives no probabilities.
    """
    if generation.alternatives is None:
        raise EnvironmentProblem(
            "the server does not give the log-probabilities that the teacher 'first' orders by",
            "serve the model with vLLM, or use --teacher listwise",
        )
    usage, text = generation.usage, generation.text
    scores = letter_scores(generation.alternatives, k)
    if isinstance(scores, str):
        return _Tried(FailedCall(scores, WindowOutcome.MALFORMED, usage, text, cut), None)
    order = sorted(range(k), key=lambda place: -scores[place])
    call = FailedCall("", WindowOutcome.OK, usage, text, cut)
    found = WindowResult(tuple(order), usage=usage, cut=cut, scores=scores, are_relative=True)
    return _Tried(call, found)


def _result(parsed: ParsedAnswer, generation: Generation, cut: int) -> WindowResult | None:
    if parsed.permutation is None:
        return None
    return WindowResult(
        permutation=parsed.permutation,
        outcome=parsed.outcome,
        duplicates=parsed.duplicates,
        missing=parsed.missing,
        out_of_range=parsed.out_of_range,
        usage=generation.usage,
        output_text=None if parsed.outcome is WindowOutcome.OK else generation.text,
        cut=cut,
        asked=parsed.asked,
    )
