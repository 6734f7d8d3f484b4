"""Fills in what a teacher's settings leave open, and refuses what does not belong together."""

from __future__ import annotations

from pathlib import Path

from rankgen.generator.answers.permutation import LEAST_NAMED
from rankgen.generator.engines.engine_args import refuse_taken_arguments
from rankgen.generator.prompts.profiles import prompt_profile
from rankgen.generator.strategies.windows import check_window
from rankgen.generator.teachers.presets import TeacherPreset
from rankgen.generator.teachers.settings import LabelSettings
from rankgen.manifests.errors import UsageError


def resolved(asked: LabelSettings) -> LabelSettings:
    """Returns the settings with every default of the teacher filled in; idempotent.

    Raises:
        UsageError: Unknown teacher or prompt profile, a missing model or address, a setting
            that the teacher has no use for, or a window that would skip candidates.
    """
    preset = asked.preset
    window, stride = _window_and_stride(asked, preset)
    check_window(window, stride, asked.passes)
    filled: dict[str, object] = {"window": window, "stride": stride}
    if preset.takes_order:
        filled["order"] = asked.order or "score"
    elif asked.order is not None:
        raise UsageError(f"the teacher '{preset.name}' has no use for --order", "leave it out")
    if preset.kind == "listwise":
        filled |= _listwise(asked, preset)
    else:
        _refuse_listwise_settings(asked)
        filled |= {"model": asked.model or preset.model, "concurrency": asked.concurrency or 1}
    return asked.model_copy(update=filled)


def _window_and_stride(
    asked: LabelSettings, preset: TeacherPreset
) -> tuple[int | None, int | None]:
    window = asked.window or preset.window
    if window is None:
        return None, None
    return window, asked.stride or min(preset.stride or max(window // 2, 1), window)


def _listwise(asked: LabelSettings, preset: TeacherPreset) -> dict[str, object]:
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
    if engine != "vllm" and asked.engine_args:
        raise UsageError("--engine-arg belongs to vLLM, not to a server", "leave it out")
    if asked.lora is not None:
        _check_adapter(engine, asked.lora)
    refuse_taken_arguments(asked.engine_args)
    profile = prompt_profile(asked.prompt_profile or preset.prompt_profile or "")
    api = asked.api or ("chat" if engine == "openai" else None)
    ids_only_for_counting = engine == "openai" and api == "chat"
    return {
        "model": model,
        "engine": engine,
        "api": api,
        "prompt_profile": profile.name,
        "context_size": asked.context_size or 4096,
        "dtype": asked.dtype or ("auto" if engine == "vllm" else None),
        "concurrency": asked.concurrency or (256 if engine == "vllm" else 32),
        "on_malformed": asked.on_malformed or "repair",
        "min_named": LEAST_NAMED if asked.min_named is None else asked.min_named,
        "tokenizer": asked.tokenizer or ("rankzephyr" if ids_only_for_counting else model),
    }


def _check_adapter(engine: str, folder: str) -> None:
    if engine != "vllm":
        raise UsageError("--lora belongs to vLLM, not to a server", "leave it out")
    if not (Path(folder) / "adapter_config.json").is_file():
        raise UsageError(
            f"{folder} is not a folder with a LoRA adapter (it has no adapter_config.json)",
            "name the folder of the adapter by --lora",
        )


def _refuse_listwise_settings(asked: LabelSettings) -> None:
    given = [
        name
        for name in (
            "engine",
            "base_url",
            "api",
            "prompt_profile",
            "max_output_tokens",
            "min_named",
            "lora",
        )
        if getattr(asked, name) is not None
    ]
    if asked.engine_args:
        given.append("engine_arg")
    if given:
        option = "--" + given[0].replace("_", "-")
        raise UsageError(
            f"the teacher '{asked.teacher}' has no use for {option}", f"leave {option} out"
        )
