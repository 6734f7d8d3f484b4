"""Checks of a teacher's settings against each other."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from rankgen.generator.answers.first_token import MOST_ALTERNATIVES
from rankgen.generator.answers.formats import BRACKETS, MOST_LETTERS
from rankgen.generator.prompts.prompt import ListwisePrompt
from rankgen.generator.teachers.asking import AnswerSettings
from rankgen.generator.teachers.presets import TeacherPreset
from rankgen.manifests.errors import UsageError


def check_prompt(
    prompt: ListwisePrompt,
    asked: AnswerSettings,
    preset: TeacherPreset,
    window: int,
    *,
    is_served: bool,
) -> None:
    """Refuses what contradicts a prompt's answers: the teacher's length, or too many passages."""
    another = "--teacher listwise --model ID"
    if preset.first_token:
        _check_first_token(prompt, asked, window, is_served=is_served)
    if preset.exact_output and prompt.form is not BRACKETS:
        raise UsageError(
            f"the prompt '{prompt.name}' asks for {prompt.form.sample}, but the teacher "
            f"'{preset.name}' answers {BRACKETS.sample}",
            another,
        )
    if preset.exact_output and asked.thinking_tokens is not None:
        raise UsageError(f"the teacher '{preset.name}' does not think", another)
    if prompt.form.uses_letters and window > MOST_LETTERS:
        raise UsageError(
            f"the prompt '{prompt.name}' has letters for {MOST_LETTERS} passages, not for {window}",
            f"--window {MOST_LETTERS}",
        )


def _check_first_token(
    prompt: ListwisePrompt, asked: AnswerSettings, window: int, *, is_served: bool
) -> None:
    who = "the teacher 'first'"
    if not is_served:
        raise UsageError(f"{who} needs a server", "--base-url http://localhost:8000/v1")
    if not prompt.form.uses_letters:
        raise UsageError(
            f"{who} needs a prompt with letters, which '{prompt.name}' is not", "leave --prompt out"
        )
    if window > MOST_ALTERNATIVES:
        raise UsageError(
            f"{who} orders at most {MOST_ALTERNATIVES} passages in a call, as servers give the "
            f"probabilities of {MOST_ALTERNATIVES} tokens",
            f"--window {MOST_ALTERNATIVES}",
        )
    for name in ("max_output_tokens", "thinking_tokens"):
        if getattr(asked, name) is not None:
            option = "--" + name.replace("_", "-")
            raise UsageError(f"{who} has no use for {option}", f"leave {option} out")


def check_model(model: str | None) -> None:
    """Refuses a pointwise teacher without a model, or with a folder that does not exist."""
    if model is None:
        raise UsageError("the teacher 'pointwise' needs a model", "--model ID")
    if model.startswith(("/", ".", "~")) and not Path(model).is_dir():
        raise UsageError(f"there is no model folder {model}", "check --model")


def refuse_pair_settings(asked: object, teacher: str) -> None:
    """Refuses settings that only re-rankers have a use for."""
    for name in ("pair_prompt", "instruction"):
        if getattr(asked, name) is not None:
            option = "--" + name.replace("_", "-")
            raise UsageError(
                f"the teacher '{teacher}' has no use for {option}", f"leave {option} out"
            )


def check_adapter(engine: str, folder: str) -> None:
    """Refuses a LoRA adapter for a server, or a folder that has none."""
    if engine != "vllm":
        raise UsageError("--lora belongs to vLLM, not to a server", "leave it out")
    if not (Path(folder) / "adapter_config.json").is_file():
        raise UsageError(
            f"{folder} is not a folder with a LoRA adapter (it has no adapter_config.json)",
            "name the folder of the adapter by --lora",
        )


def refuse_listwise_settings(asked: object, teacher: str, but: Collection[str] = ()) -> None:
    """Refuses settings that only teachers with a prompt have a use for, except those in `but`."""
    given = [
        name
        for name in (
            "engine",
            "base_url",
            "api",
            "prompt",
            "max_output_tokens",
            "thinking_tokens",
            "min_named",
            "lora",
        )
        if getattr(asked, name) is not None and name not in but
    ]
    if getattr(asked, "engine_args", None) and "engine_args" not in but:
        given.append("engine_arg")
    if given:
        option = "--" + given[0].replace("_", "-")
        raise UsageError(f"the teacher '{teacher}' has no use for {option}", f"leave {option} out")


def check_engines(engine: str, tensor_parallel: int, engines_per_gpu: int) -> None:
    """Checks how engines and GPUs are shared.

    Raises:
        UsageError: Engines share a GPU that a server has, or of which each needs several.
    """
    if engines_per_gpu == 1:
        return
    if engine != "vllm":
        raise UsageError(
            "--engines-per-gpu belongs to vLLM in the workers, not to a server", "leave it out"
        )
    if tensor_parallel > 1:
        raise UsageError(
            f"{engines_per_gpu} engines on a GPU cannot each have {tensor_parallel} GPUs",
            "use --engines-per-gpu or --tensor-parallel",
        )
