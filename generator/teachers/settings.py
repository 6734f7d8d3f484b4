"""Everything that `label` can be told about its teacher, checked, completed and fingerprinted."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import PositiveInt

from rankgen.generator.answers.formats import BRACKETS
from rankgen.generator.answers.permutation import ANSWER_RULES, LEAST_NAMED
from rankgen.generator.engines.cost.prices import PriceSettings, check_prices
from rankgen.generator.engines.settings import (
    CONTEXT_SIZE,
    EndpointSettings,
    EngineSettings,
    same_answers,
    speaks_chat,
)
from rankgen.generator.engines.vllm.engine_args import refuse_taken_arguments
from rankgen.generator.prompts.prompt import ListwisePrompt
from rankgen.generator.prompts.sources import frozen_prompt, prompt_of
from rankgen.generator.strategies.registry import shape_of
from rankgen.generator.strategies.shape import Shape
from rankgen.generator.teachers.asking import AnswerSettings, WindowSettings
from rankgen.generator.teachers.pair_defaults import pairwise_defaults, pointwise_defaults
from rankgen.generator.teachers.pair_settings import PairSettings
from rankgen.generator.teachers.presets import TeacherPreset, split_teacher, teachers_in_words
from rankgen.generator.teachers.setting_checks import (
    check_adapter,
    check_engines,
    check_prompt,
    check_savings,
    refuse_listwise_settings,
    refuse_pair_settings,
    refuse_savings,
)
from rankgen.manifests.errors import UsageError
from rankgen.manifests.long_documents.rule import NAMES as CHUNK_NAMES
from rankgen.manifests.long_documents.settings import LongDocumentSettings
from rankgen.manifests.options import Option
from rankgen.manifests.storage.digest import canonical_json

# Settings that say where and how fast, not what; two runs that differ in them are the same run.
_NOT_IDENTITY = frozenset(
    {
        "engines_per_gpu",
        "base_url",
        "batch_seconds",
        "max_cost",
        "price_in",
        "price_out",
        "concurrency",
        "request_timeout_s",
        "gpu_memory_utilization",
        "cpu_kv_cache_gib",
        "drafts",
        "whole_answers",
    }
)
_PEERS_IN_FLIGHT = 32
# Runs without them keep the fingerprints they had before there were such settings.
_ABSENT_IF_UNUSED = (
    *("order", "lora", "thinking_tokens", "top", "shuffle"),
    *("pair_prompt", "instruction", "keep_top"),
    *CHUNK_NAMES,
)

TeacherName = Annotated[
    str,
    Option(teachers_in_words(), metavar="NAME"),
]


class LabelSettings(
    WindowSettings,
    AnswerSettings,
    LongDocumentSettings,
    PairSettings,
    EndpointSettings,
    PriceSettings,
    EngineSettings,
):
    """The teacher and how it is asked; None means the teacher's default (see `resolved`)."""

    teacher: TeacherName = "minilm"
    model: Annotated[
        str | None,
        Option(
            "A Hugging Face id, a folder, or the name that a server knows.",
            "the teacher's",
            metavar="ID|FOLDER|NAME",
        ),
    ] = None
    revision: Annotated[
        str | None, Option("Git revision of the model.", "the newest, pinned when the run begins")
    ] = None
    engine: Annotated[
        Literal["vllm", "openai"] | None,
        Option("vllm in the workers, or openai for a server.", "vllm; openai with --base-url"),
    ] = None
    concurrency: Annotated[
        PositiveInt | None,
        Option(
            "Queries in flight in each worker.",
            "what vLLM's cache holds, then by its queue; 32 for a server, 2000 with --api batch",
        ),
    ] = None
    order: Annotated[
        Literal["score", "rank"] | None,
        Option("How recorded:RUN is ordered: score as trec_eval does, or rank.", "score"),
    ] = None

    @property
    def preset(self) -> TeacherPreset:
        """The named teacher's defaults.

        Raises:
            UsageError: There is no such teacher.
        """
        return split_teacher(self.teacher)[0]

    @property
    def is_served(self) -> bool:
        """Whether a server answers, not vLLM in the workers."""
        return (self.engine or ("openai" if self.base_url else "vllm")) == "openai"

    def listwise_prompt(self) -> ListwisePrompt | None:
        """Returns the prompt of resolved settings; None for a teacher without one.

        Raises:
            UsageError: There is no such prompt.
        """
        return None if self.prompt is None else prompt_of(self.prompt)

    def resolved(self) -> LabelSettings:
        """Returns the settings with every default of the teacher filled in; idempotent.

        Raises:
            UsageError: Unknown teacher or prompt, a missing model or address, a setting
                that the teacher has no use for, or a window that would skip candidates.
        """
        preset = self.preset
        check_prices(self, is_served=preset.asks_llm and self.is_served)
        shape = shape_of(self.strategy, self.shape, Shape(preset.window, preset.stride))
        filled: dict[str, object] = shape._asdict()
        filled |= dict.fromkeys(CHUNK_NAMES) | self.chunk_values()
        if self.chunk_rule is not None and not preset.reads_texts:
            raise UsageError(
                f"the teacher '{preset.name}' reads no texts and has no use for --long-documents",
                "leave it out",
            )
        if preset.takes_order:
            filled["order"] = self.order or "score"
        elif self.order is not None:
            raise UsageError(f"the teacher '{preset.name}' has no use for --order", "leave it out")
        if preset.kind not in ("pointwise", "pairwise"):
            refuse_pair_settings(self, preset.name)
        if preset.kind != "listwise":
            refuse_savings(self, self.teacher)
        if preset.kind == "listwise":
            filled |= _listwise(self, preset)
            check_prompt(
                prompt_of(str(filled["prompt"])),
                self,
                preset,
                shape.window or 0,
                is_served=self.is_served,
            )
            check_savings(self, self, prompt_of(str(filled["prompt"])), preset, self.is_served)
        elif preset.kind == "pointwise":
            filled |= pointwise_defaults(self)
        elif preset.kind == "pairwise":
            filled |= pairwise_defaults(self) or _of_llm(self, preset)
        else:
            may_serve = ("base_url",) if preset.is_peer else ()
            refuse_listwise_settings(self, self.teacher, but=may_serve)
            in_flight = self.concurrency or (_PEERS_IN_FLIGHT if preset.is_peer else 1)
            filled |= {"model": self.model or preset.model, "concurrency": in_flight}
        return self.model_copy(update=filled)

    def identity(self) -> dict[str, object]:
        """Returns the resolved settings that change results, as JSON values; the fingerprint.

        A run file is named by its path here; its content is in the teacher's own identity. How
        answers are read concerns only teachers that write some.
        """
        settings = self.resolved()
        values: dict[str, object] = {
            name: value
            for name, value in settings.model_dump(mode="json", exclude={"engine_args"}).items()
            if name not in _NOT_IDENTITY
        }
        # All of them count, also those that change only the speed: their names do not say which.
        for name, value in settings.engine_args.items():
            is_plain = value is None or isinstance(value, str | int | float | bool)
            values[f"engine_args.{name}"] = value if is_plain else canonical_json(value)
        prompt = settings.listwise_prompt()
        values["api"] = same_answers(settings.api)
        # The key is older than other prompts than profiles.
        del values["prompt"]
        values["prompt_profile"] = prompt.name if prompt else None
        for name in _ABSENT_IF_UNUSED:
            if values[name] is None:
                del values[name]
        if not settings.constrained:
            del values["constrained"]
        if settings.input_order == "retrieved":
            del values["input_order"]
        if prompt is None:
            if settings.preset.kind != "pairwise":
                del values["min_named"]
            return values
        if prompt.form is not BRACKETS:
            values["answer_format"] = prompt.form.name
        return values | {"answer_rules": ANSWER_RULES}


def _listwise(asked: LabelSettings, preset: TeacherPreset) -> dict[str, object]:
    return _of_llm(asked, preset) | {
        "prompt": frozen_prompt(asked.prompt or preset.prompt_profile or ""),
        "on_malformed": asked.on_malformed or "repair",
    }


def _of_llm(asked: LabelSettings, preset: TeacherPreset) -> dict[str, object]:
    """Returns the model, the engine and what they need, for any teacher that asks an LLM."""
    model = asked.model or preset.model
    if model is None:
        raise UsageError(f"the teacher '{preset.name}' needs a model", "--model ID")
    engine = asked.engine or ("openai" if asked.base_url else "vllm")
    if engine == "openai" and asked.base_url is None:
        raise UsageError(
            "the engine 'openai' needs a server", "--base-url http://localhost:8000/v1"
        )
    if engine == "vllm" and model.startswith(("/", ".", "~")) and not Path(model).is_dir():
        raise UsageError(f"there is no model folder {model}", "check --model")
    if engine == "vllm" and asked.base_url is not None:
        raise UsageError("--base-url belongs to a server, not to vLLM", "--engine openai")
    check_engines(engine, asked, constrained=asked.constrained)
    if asked.lora is not None:
        check_adapter(engine, asked.lora)
    refuse_taken_arguments(asked.engine_args)
    api = asked.api or ("chat" if engine == "openai" else None)
    ids_only_for_counting = engine == "openai" and speaks_chat(api)
    if engine == "vllm" and api == "batch":
        raise UsageError("--api batch belongs to a server", "give --base-url or leave --api out")
    return {
        "model": model,
        "engine": engine,
        "api": api,
        "context_size": asked.context_size or CONTEXT_SIZE,
        "dtype": asked.dtype or ("auto" if engine == "vllm" else None),
        "concurrency": asked.concurrency or _concurrency(engine, api),
        "min_named": LEAST_NAMED if asked.min_named is None else asked.min_named,
        "tokenizer": asked.tokenizer or ("rankzephyr" if ids_only_for_counting else model),
    }


def _concurrency(engine: str, api: str | None) -> int | None:
    if engine == "vllm":
        # Its workers find out.
        return None
    return 2000 if api == "batch" else 32
