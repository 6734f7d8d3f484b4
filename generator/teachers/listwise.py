"""A large language model as the teacher: prompt, engine, parser, and what to do with bad answers.

The policy (`on_malformed`) decides what an answer that is not `ok` comes to:

- "repair" (default): a repaired or truncated answer is taken, counted and marked; one without a
  ranking is asked for again, twice at most, and then the window fails.
- "retry": everything that is not `ok` is asked for again, twice at most; then the readable answer
  with the fewest missing passages is taken, and the window fails when there was none.
- "quarantine": everything that is not `ok` fails the window at once.

Every call that is not taken stands in the window's evidence with its text and tokens. A failed
window quarantines its query. Asking again makes sense only where another answer is
possible: greedy decoding in this process gives the same text for the same prompt, so there it is
asked once.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from rankgen.generator.answers.outcomes import (
    FailedCall,
    TeacherFailure,
    WindowOutcome,
    WindowResult,
)
from rankgen.generator.answers.permutation import (
    ANSWER_RULES,
    ParsedAnswer,
    ReadingRules,
    parse_permutation,
)
from rankgen.generator.engines.base import Engine, EnginePrompt, Generation
from rankgen.generator.engines.gauges import gauges_of
from rankgen.generator.prompts.budget import BuiltPrompt, PromptBuilder
from rankgen.generator.prompts.chat_format import merge_system
from rankgen.generator.prompts.profiles import ChatMessage, PromptProfile
from rankgen.generator.prompts.tokenizer import TeacherTokenizer
from rankgen.generator.teachers.settings import LabelSettings, OnMalformed
from rankgen.generator.teachers.sources import adapter_source, model_source
from rankgen.manifests.errors import UsageError
from rankgen.manifests.records import Document, Query

_MOST_TRIES = 3
# Room for a chat model's "Here is the ranking:" and its spacing, beside the ids themselves.
_CHAT_SLACK = 64
_TRIAL_QUERY = Query("trial", "what melts ice")
_TRIAL_PASSAGES = (
    Document("1", "", "Salt melts ice."),
    Document("2", "", "Ice floats on water."),
)


@dataclass(frozen=True)
class Decoding:
    """How answers are asked for and read.

    Attributes:
        exact_output: Ask for exactly the tokens of a permutation.
        max_output_tokens: Most tokens of an answer; None computes it from the window.
        on_malformed: The policy for answers that are not `ok`.
        rules: How they are read.
    """

    exact_output: bool
    max_output_tokens: int | None
    on_malformed: OnMalformed
    rules: ReadingRules


class ListwisePrompter:
    """Everything about prompts that needs no engine; `--dry-run` counts tokens with it.

    Args:
        profile: The prompt.
        tokenizer: The model's tokenizer and chat format.
        context_size: Tokens of prompt and answer together.
        decoding: How answers are asked for.
        merges_system: Whether the system text stands in front of the user's, in one turn.
    """

    def __init__(
        self,
        profile: PromptProfile,
        tokenizer: TeacherTokenizer,
        context_size: int,
        decoding: Decoding,
        *,
        merges_system: bool = False,
    ) -> None:
        self.merges_system = merges_system
        self.profile = profile
        self.tokenizer = tokenizer
        self.context_size = context_size
        self.decoding = decoding
        self._builder = PromptBuilder(profile, tokenizer, context_size, merges_system=merges_system)

    @property
    def system_turn(self) -> str:
        """How the system text is sent: "own", or "merged" into the user's turn."""
        return "merged" if self.merges_system else "own"

    def output_budget(self, k: int) -> int:
        """Returns the most tokens an answer about k passages may have.

        Raises:
            UsageError: The context has no room for it.
        """
        ids = self.tokenizer.permutation_tokens(k)
        if self.decoding.exact_output:
            budget = ids
        else:
            budget = self.decoding.max_output_tokens or 2 * ids + _CHAT_SLACK
        if budget >= self.context_size:
            raise UsageError(
                f"an answer of {budget} tokens leaves no room for a prompt in a context of "
                f"{self.context_size}",
                "raise --context-size or lower --window",
            )
        return budget

    def trial(self) -> tuple[ChatMessage, ...]:
        """Returns the messages of a small prompt, to see whether a server takes such messages."""
        messages = self.profile.render(_TRIAL_QUERY, _TRIAL_PASSAGES)
        return merge_system(messages) if self.merges_system else messages

    def build(self, query: Query, passages: Sequence[Document]) -> BuiltPrompt:
        """Returns the prompt for one window; see `PromptBuilder.build`."""
        return self._builder.build(query, passages, self.output_budget(len(passages)))


class _Tried(NamedTuple):
    """One call: as a failed one, and what it would order, if anything."""

    call: FailedCall
    result: WindowResult | None

    def rank(self) -> tuple[bool, bool, int]:
        """Sorts the best answer first, of equal ones the first."""
        missing = 0 if self.result is None else self.result.missing
        return self.result is None, self.call.outcome is not WindowOutcome.OK, missing


class ListwiseTeacher:
    """Ranks windows with an LLM.

    Args:
        settings: Resolved settings.
        prompter: Builds the prompts.
        engine: Answers them.
    """

    def __init__(self, settings: LabelSettings, prompter: ListwisePrompter, engine: Engine) -> None:
        self._settings = settings
        self._prompter = prompter
        self._engine = engine
        # Once, for a folder's digest reads all of it, and every shard asks.
        source, adapter = model_source(settings), adapter_source(settings)
        self._model = None if source is None else source.identity()
        self._adapter = None if adapter is None else adapter.identity()
        self.name = settings.teacher
        self.default_window = settings.preset.window
        self.default_stride = settings.preset.stride

    async def rank_window(self, query: Query, passages: Sequence[Document]) -> WindowResult:
        """Asks the model once, or more often as the policy says; see `Teacher.rank_window`."""
        built = self._prompter.build(query, passages)
        prompt = EnginePrompt(built.messages, built.token_ids)
        policy = self._prompter.decoding.on_malformed
        tries = 1 if self._engine.repeatable or policy == "quarantine" else _MOST_TRIES
        tried: list[_Tried] = []
        for _ in range(tries):
            try:
                generation = await self._engine.generate(
                    prompt, self._prompter.output_budget(len(passages))
                )
            except TeacherFailure as failure:
                raise failure.after((one.call for one in tried), built.cut) from failure
            tried.append(self._read(generation, len(passages), built.cut))
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

    def _read(self, generation: Generation, k: int, cut: int) -> _Tried:
        """Reads an answer, and says what is wrong with it in case that it is not taken."""
        parsed = parse_permutation(
            generation.text,
            k,
            cut_by_length=generation.finish_reason == "length",
            rules=self._prompter.decoding.rules,
        )
        if parsed.permutation is None:
            reason = f"the answer holds no ranking: {parsed.why}"
        else:
            policy = self._prompter.decoding.on_malformed
            reason = f"the answer is {parsed.outcome} and the policy is {policy}"
        call = FailedCall(reason, parsed.outcome, generation.usage, generation.text, cut)
        return _Tried(call, _result(parsed, generation, cut))

    def gauges(self) -> Mapping[str, float]:
        """Returns what the engine says."""
        return gauges_of(self._engine)

    async def close(self) -> None:
        """Stops the engine."""
        await self._engine.close()

    def identity(self) -> Mapping[str, object]:
        """Returns model, prompt, tokenizer and sampling; see `Teacher.identity`."""
        settings, prompter = self._settings, self._prompter
        return {
            "teacher": settings.teacher,
            "model": self._model,
            "revision": settings.revision,
            "engine": settings.engine,
            "api": settings.api,
            "dtype": settings.dtype,
            "tensor_parallel": settings.tensor_parallel,
            "seed": settings.seed,
            "sampling": "greedy",
            "exact_output": prompter.decoding.exact_output,
            "max_output_tokens": settings.max_output_tokens,
            "context_size": prompter.context_size,
            "on_malformed": prompter.decoding.on_malformed,
            "min_named": prompter.decoding.rules.least_named,
            "answer_rules": ANSWER_RULES,
            "system_turn": prompter.system_turn,
            "prompt_profile": prompter.profile.name,
            "prompt_sha256": prompter.profile.sha256,
            "tokenizer_sha256": prompter.tokenizer.sha256,
            # Journals of runs without them keep their keys.
            **({"lora": self._adapter} if self._adapter else {}),
            **({"engine_args": settings.engine_args} if settings.engine_args else {}),
        }

    def facts(self) -> Mapping[str, str]:
        """Returns the engine's provenance, the tokenizer's and that of what mends the texts."""
        return {
            "ftfy": importlib.metadata.version("ftfy"),
            "tokenizer_sha256": self._prompter.tokenizer.sha256,
            "system_turn": self._prompter.system_turn,
            **self._engine.facts(),
        }


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
    )
