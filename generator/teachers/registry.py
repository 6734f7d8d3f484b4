"""Creates teachers and prompters from settings; imports only what the teacher needs."""

from __future__ import annotations

from dataclasses import replace

from rankgen.generator.answers.first_token import MOST_ALTERNATIVES
from rankgen.generator.answers.outcomes import TeacherFailure
from rankgen.generator.answers.permutation import LEAST_NAMED, ReadingRules
from rankgen.generator.engines.base import Engine
from rankgen.generator.engines.server.served_run import ServedRun
from rankgen.generator.engines.settings import speaks_chat
from rankgen.generator.prompts.budget import PromptBuilder
from rankgen.generator.prompts.chat_format import ZEPHYR_FORMAT
from rankgen.generator.prompts.pairwise import PRP
from rankgen.generator.prompts.prompt import ListwisePrompt
from rankgen.generator.prompts.token_texts import AnswerTexts
from rankgen.generator.prompts.tokenizer import BUNDLED, load_tokenizer
from rankgen.generator.teachers.base import Teacher, plain_teacher
from rankgen.generator.teachers.listwise import ListwiseTeacher
from rankgen.generator.teachers.presets import split_teacher
from rankgen.generator.teachers.prompter import Decoding, ListwisePrompter
from rankgen.generator.teachers.settings import LabelSettings
from rankgen.generator.teachers.sources import model_source
from rankgen.manifests.errors import UsageError
from rankgen.manifests.models.model_source import ModelSource


def make_teacher(settings: LabelSettings, served: ServedRun | None = None) -> Teacher:
    """Returns the teacher that the settings name, ready to rank.

    Runs in the worker process: it loads the model, starts the engine or checks the server.

    Args:
        settings: The teacher's settings.
        served: What the run's workers share about their server; None for a teacher without a run.

    Raises:
        UsageError: Unknown teacher, prompt, model or file, or contradicting settings.
        EnvironmentProblem: A package, a server or a key is missing.
    """
    settings = settings.resolved()
    preset, argument = split_teacher(settings.teacher)
    if preset.kind == "listwise":
        settings = _with_dtype(settings)
        prompter, is_served = make_prompter(settings), settings.engine == "openai"
        engine = (
            _server(settings, served or ServedRun())
            if is_served
            else _vllm(settings, prompter.texts)
        )
        if engine.wants_merged_system(prompter.trial()):
            prompter = make_prompter(settings, merges_system=True)
        return ListwiseTeacher(settings, prompter, engine)
    if preset.kind == "embedding":
        from rankgen.generator.teachers.embedding import EmbeddingTeacher

        return EmbeddingTeacher(settings.teacher, settings.model or "")
    source = model_source(settings)
    if preset.kind == "pairwise" and source is not None:
        return _pairwise(settings, source, served or ServedRun())
    if preset.kind == "pointwise" and source is not None:
        return _pointwise(settings, source)
    return plain_teacher(preset).open_teacher(argument or "", settings)


def _pointwise(settings: LabelSettings, source: ModelSource) -> Teacher:
    from rankgen.generator.teachers.pair_family import pair_family, pair_prompt_of

    family = replace(pair_family(settings), prompt=pair_prompt_of(settings))
    if family.prompt is None:
        from rankgen.generator.teachers.pointwise import PointwiseTeacher

        return PointwiseTeacher(settings, source)
    if settings.engine == "vllm":
        from rankgen.generator.teachers.pairs_by_vllm import VllmPairsTeacher

        return VllmPairsTeacher(_with_dtype(settings), source, family)
    from rankgen.generator.teachers.prompted_pairs import PromptedPairsTeacher

    return PromptedPairsTeacher(settings, source, family)


def _pairwise(settings: LabelSettings, source: ModelSource, served: ServedRun) -> Teacher:
    if settings.engine is None:
        from rankgen.generator.teachers.duo import DuoTeacher

        return DuoTeacher(settings, source)
    from rankgen.generator.teachers.pairwise import PairwiseTeacher

    settings = _with_dtype(settings)
    builder = make_pair_builder(settings)
    engine = _server(settings, served) if settings.engine == "openai" else _vllm(settings)
    return PairwiseTeacher(settings, builder, engine)


def make_pair_builder(settings: LabelSettings) -> PromptBuilder:
    """Returns what builds the prompts of a pairwise teacher that asks an LLM.

    Args:
        settings: Resolved settings.

    Raises:
        UsageError: Its tokenizer cannot be loaded, or has no chat template.
        EnvironmentProblem: A package is missing.
    """
    name = settings.tokenizer or ""
    revision = settings.revision if name == settings.model else None
    tokenizer = load_tokenizer(name, revision, settings.preset.chat_format)
    return PromptBuilder(PRP, tokenizer, settings.context_size or 0)


def _with_dtype(settings: LabelSettings) -> LabelSettings:
    """Replaces the dtype "auto" by the one that this machine uses; it identifies the teacher."""
    if settings.dtype != "auto":
        return settings
    from rankgen.generator.engines.vllm.dtype import dtype_and_warning, own_dtype

    own = own_dtype(settings.model or "", settings.revision)
    return settings.model_copy(update={"dtype": dtype_and_warning(own, "auto")[0]})


def make_prompter(settings: LabelSettings, merges_system: bool = False) -> ListwisePrompter:
    """Returns a listwise teacher's prompter.

    Args:
        settings: The teacher's settings.
        merges_system: Put the system text into the user turn even if the tokenizer's chat template
            accepts a system turn.

    Raises:
        UsageError: The teacher is not listwise, or its tokenizer cannot be loaded.
        EnvironmentProblem: A package is missing.
    """
    settings = settings.resolved()
    profile = settings.listwise_prompt()
    if profile is None:
        raise UsageError(f"the teacher '{settings.teacher}' has no prompt", "--teacher listwise")
    name = settings.tokenizer or ""
    revision = settings.revision if name == settings.model else None
    tokenizer = load_tokenizer(name, revision, settings.preset.chat_format)
    decoding = _decoding(settings, profile, opens_thought=tokenizer.opens_thought)
    if settings.constrained and not tokenizer.can_constrain(profile.form):
        raise UsageError(
            f"the tokenizer of {name} writes rankings in tokens that --constrained cannot follow",
            "leave --constrained out",
        )
    merges_system = merges_system or tokenizer.merges_system
    builder = PromptBuilder(
        profile, tokenizer, settings.context_size or 0, merges_system=merges_system
    )
    prompter = ListwisePrompter(builder, decoding)
    try:
        # A chat template may refuse turns that only some prompts have.
        tokenizer.chat_text(prompter.trial())
    except TeacherFailure as failure:
        raise UsageError(str(failure), "use another --prompt") from None
    return prompter


def _decoding(settings: LabelSettings, prompt: ListwisePrompt, *, opens_thought: bool) -> Decoding:
    """Returns how answers are asked for and read.

    Args:
        settings: Resolved settings.
        prompt: Their prompt.
        opens_thought: Whether the chat template leaves the model within a thought.
    """
    preset = settings.preset
    return Decoding(
        exact_output=preset.exact_output,
        first_token=preset.first_token,
        max_output_tokens=settings.max_output_tokens,
        thinking_tokens=settings.thinking_tokens,
        on_malformed=settings.on_malformed or "repair",
        # In the workers alone an answer can go on from where it stopped.
        stops_early=preset.exact_output and not (settings.is_served or settings.whole_answers),
        constrained=settings.constrained,
        rules=ReadingRules(
            least_named=LEAST_NAMED if settings.min_named is None else settings.min_named,
            examples=prompt.examples,
            # A chat server applies its own template and may remove the thought.
            begins_in_thought=not speaks_chat(settings.api) and opens_thought,
            form=prompt.form,
            has_budget=settings.thinking_tokens is not None,
        ),
    )


def _server(settings: LabelSettings, served: ServedRun) -> Engine:
    from rankgen.generator.engines.batch.engine import BatchServer
    from rankgen.generator.engines.cost.purse import Purse
    from rankgen.generator.engines.server.answered_model import AnsweredModel
    from rankgen.generator.engines.server.engine import OpenAIServer, ServerSettings

    preset = settings.preset
    asked = settings.part(
        ServerSettings,
        force_length=preset.exact_output,
        alternatives=MOST_ALTERNATIVES if preset.first_token else None,
        add_special_tokens=preset.chat_format == ZEPHYR_FORMAT,
    )
    answered, purse = AnsweredModel(served.answered_model), Purse(served.cost)
    if settings.api == "batch":
        return BatchServer(asked, served.batches, answered=answered, purse=purse)
    return OpenAIServer(asked, answered=answered, purse=purse)


def _vllm(settings: LabelSettings, texts: AnswerTexts | None = None) -> Engine:
    from rankgen.generator.engines.vllm.arguments import VllmSettings
    from rankgen.generator.engines.vllm.engine import VllmEngine

    is_own = settings.tokenizer in (settings.model, BUNDLED)
    tokenizer = None if is_own else settings.tokenizer
    exact = settings.preset.exact_output
    # An answer of one token has no draft.
    drafts = "off" if settings.preset.first_token else settings.drafts
    asked = settings.part(VllmSettings, tokenizer=tokenizer, force_length=exact, drafts=drafts)
    return VllmEngine(asked, texts)
