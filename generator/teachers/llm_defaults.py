"""The settings of teachers that ask an LLM, completed and checked."""

from __future__ import annotations

from pathlib import Path

from rankgen.generator.answers.permutation import LEAST_NAMED
from rankgen.generator.engines.settings import CONTEXT_SIZE, speaks_chat
from rankgen.generator.engines.vllm.engine_args import refuse_taken_arguments
from rankgen.generator.prompts.sources import frozen_prompt
from rankgen.generator.teachers.presets import TeacherPreset
from rankgen.generator.teachers.setting_checks import check_adapter, check_engines
from rankgen.generator.teachers.teacher_options import TeacherOptions
from rankgen.manifests.errors import UsageError


def listwise_defaults(asked: TeacherOptions, preset: TeacherPreset) -> dict[str, object]:
    """Returns what a teacher that orders windows leaves open, filled in.

    Raises:
        UsageError: As of `llm_defaults`, or there is no such prompt.
    """
    return llm_defaults(asked, preset) | {
        "prompt": frozen_prompt(asked.prompt or preset.prompt_profile or ""),
        "on_malformed": asked.on_malformed or "repair",
    }


def llm_defaults(asked: TeacherOptions, preset: TeacherPreset) -> dict[str, object]:
    """Returns the model, the engine and what they need, for any teacher that asks an LLM.

    Raises:
        UsageError: There is no model or no server, or a setting belongs to the other engine.
    """
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
    check_engines(engine, asked, constrained=asked.constrained, revision=asked.revision)
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
